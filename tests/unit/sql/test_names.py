"""What tables a statement names: the ways to write a name, and what is only a name inside the statement."""

from __future__ import annotations

import pytest

from icefield_sql import Kind, Names, SqlError, TableName, parse, parse_schema

NAMES = Names("acme", frozenset({"polnor", "oleander"}), ("demo",))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("orders", "demo.orders"),
        ("sales.orders", "sales.orders"),
        ("sales.raw.orders", "sales.raw.orders"),
        ("sales.default.orders", "sales.orders"),
        ("acme.sales.orders", "sales.orders"),
        ("polnor.sales.orders", "sales.orders"),
        ("oleander.sales.default.orders", "sales.orders"),
        ("ACME.sales.orders", "sales.orders"),
        ('"polnor"."demo"."orders"', "demo.orders"),
        ("`polnor`.`demo`.`default`.`orders`", "demo.orders"),
        ("polnor.`acme__x`.`raw`.orders", "acme__x.raw.orders"),
        ("acme.orders", "demo.orders"),
        ("default.orders", "default.orders"),
        ("Sales.Orders", "Sales.Orders"),
        ("`my table`", "demo.my table"),
        ('"select"."from"', "select.from"),
    ],
)
def test_ways_to_write_a_name(written: str, meant: str) -> None:
    assert [str(name) for name in parse(f"SELECT * FROM {written}", NAMES).reads] == [meant]
    assert [str(name) for name in parse(f"DROP TABLE {written}", NAMES).writes] == [meant]


@pytest.mark.parametrize("written", ["a.b.c.d", "acme.a.b.c.d", "`a.b`.c", "`s3://x`.y", "`` ``.x"])
def test_what_is_no_name(written: str) -> None:
    with pytest.raises(SqlError):
        parse(f"SELECT * FROM {written}", NAMES)


def test_a_bare_name_needs_a_schema() -> None:
    with pytest.raises(SqlError, match="needs its database"):
        parse("SELECT * FROM orders", Names("acme"))


@pytest.mark.parametrize(
    ("schema", "namespace"),
    [
        ("sales", ("sales",)),
        ("sales.raw", ("sales", "raw")),
        ("acme.sales", ("sales",)),
        ("polnor.sales.default", ("sales",)),
        (None, None),
        ("", None),
    ],
)
def test_schema_of_a_request(schema: str | None, namespace: tuple[str, ...] | None) -> None:
    assert parse_schema(schema, NAMES) == namespace


def test_qualified_names_for_lineage() -> None:
    assert TableName(("sales",), "orders").qualified("acme") == "acme.sales.orders"
    assert TableName(("sales", "raw"), "orders").qualified("acme") == "acme.sales.raw.orders"


LINEAGE = [
    ("SELECT 1", [], []),
    ("SELECT * FROM a.x, b.y", ["a.x", "b.y"], []),
    ("SELECT * FROM a.x JOIN b.y ON true JOIN a.x z ON true", ["a.x", "b.y"], []),
    ("WITH x AS (SELECT * FROM a.x) SELECT * FROM x", ["a.x"], []),
    ("WITH x AS (SELECT * FROM x) SELECT * FROM x", ["demo.x"], []),
    ("WITH X AS (SELECT 1 AS y) SELECT * FROM x", [], []),
    ("WITH x AS (SELECT 1 AS y), z AS (SELECT * FROM x) SELECT * FROM z", [], []),
    ("WITH z AS (SELECT * FROM x), x AS (SELECT 1 AS y) SELECT * FROM z, x", ["demo.x"], []),
    ("WITH x AS (SELECT 1 AS y) SELECT * FROM demo.x", ["demo.x"], []),
    ("WITH RECURSIVE n AS (SELECT 1 AS k UNION ALL SELECT k + 1 FROM n) SELECT * FROM n", [], []),
    ("SELECT * FROM (WITH x AS (SELECT * FROM a.y) SELECT * FROM x) q, x", ["demo.x", "a.y"], []),
    ("WITH x AS (SELECT 1) SELECT * FROM a.y WHERE id IN (SELECT * FROM x)", ["a.y"], []),
    ("WITH x AS (SELECT 1) SELECT * FROM (SELECT * FROM (SELECT * FROM x))", [], []),
    (
        "SELECT (SELECT max(id) FROM a.x), EXISTS (SELECT 1 FROM a.y WHERE y.id = z.id) FROM a.z",
        ["a.z", "a.x", "a.y"],
        [],
    ),
    ("SELECT * FROM a.x t, LATERAL (SELECT * FROM a.y WHERE y.id = t.id)", ["a.x", "a.y"], []),
    ("SELECT * FROM a.x LATERAL VIEW explode(b) e AS c", ["a.x"], []),
    ("SELECT * FROM a.x UNION ALL (SELECT * FROM a.y EXCEPT SELECT * FROM a.z)", ["a.x", "a.y", "a.z"], []),
    ("SELECT * FROM (a.x JOIN a.y ON true)", ["a.x", "a.y"], []),
    ("SELECT * FROM (a.x)", ["a.x"], []),
    ("TABLE a.x", ["a.x"], []),
    ("VALUES (1), (2)", [], []),
    ("INSERT INTO a.x SELECT * FROM a.y", ["a.y"], ["a.x"]),
    ("INSERT INTO a.x (b, c) VALUES (1, 2)", [], ["a.x"]),
    ("INSERT INTO TABLE a.x TABLE a.y", ["a.y"], ["a.x"]),
    ("INSERT INTO a.x SELECT * FROM a.x", ["a.x"], ["a.x"]),
    ("INSERT INTO a.x WITH q AS (SELECT * FROM a.y) SELECT * FROM q", ["a.y"], ["a.x"]),
    ("INSERT OVERWRITE a.x PARTITION (d = 1) SELECT * FROM a.y", ["a.y"], ["a.x"]),
    ("INSERT INTO a.x BY NAME SELECT 1 AS b", [], ["a.x"]),
    ("UPDATE a.x SET b = (SELECT max(c) FROM a.y) WHERE d IN (SELECT e FROM a.z)", ["a.y", "a.z"], ["a.x"]),
    ("DELETE FROM a.x WHERE b IN (SELECT b FROM a.x)", ["a.x"], ["a.x"]),
    ("DELETE FROM a.x", [], ["a.x"]),
    (
        "MERGE INTO a.x t USING (SELECT * FROM a.y) s ON t.id = s.id WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT *",
        ["a.y"],
        ["a.x"],
    ),
    ("MERGE INTO a.x USING a.y ON x.id = y.id WHEN MATCHED THEN UPDATE SET b = y.b", ["a.y"], ["a.x"]),
    ("CREATE TABLE a.x USING iceberg AS SELECT * FROM a.y", ["a.y"], ["a.x"]),
    ("CREATE OR REPLACE TABLE a.x AS WITH q AS (SELECT * FROM a.y) SELECT * FROM q", ["a.y"], ["a.x"]),
    ("create table a.x (b int, c decimal(10,2)) using iceberg partitioned by (days(d), bucket(4, b))", [], ["a.x"]),
    ("CREATE OR REPLACE VIEW a.v (b COMMENT 'x') AS SELECT b FROM a.x", ["a.x"], ["a.v"]),
    ("CREATE SCHEMA IF NOT EXISTS a.b COMMENT 'x'", [], []),
    ("DROP TABLE IF EXISTS a.x PURGE", [], ["a.x"]),
    ("DROP VIEW a.v", [], ["a.v"]),
    ("ALTER TABLE a.x RENAME TO a.y", [], ["a.x"]),
    ("ALTER TABLE a.x ADD COLUMNS (b INT)", [], ["a.x"]),
    ("TRUNCATE TABLE a.x", [], ["a.x"]),
    ("COMMENT ON TABLE a.x IS 'y'", [], ["a.x"]),
    ("CALL acme.system.rollback_to_snapshot('a.x', 1)", [], ["a.x"]),
]


@pytest.mark.parametrize(("text", "reads", "writes"), LINEAGE)
def test_lineage(text: str, reads: list[str], writes: list[str]) -> None:
    statement = parse(text, NAMES)
    assert [str(name) for name in statement.reads] == reads
    assert [str(name) for name in statement.writes] == writes
    assert statement.is_write is (statement.kind is Kind.WRITE)
    assert statement.is_write or not writes


@pytest.mark.parametrize(
    ("text", "command", "kind"),
    [
        ("select 1", "SELECT", Kind.READ),
        ("/* c */ (select 1) ; -- x", "SELECT", Kind.READ),
        ("create table a.b as select 1 as x", "CREATE TABLE AS SELECT", Kind.WRITE),
        ("create table a.b (x int)", "CREATE TABLE", Kind.WRITE),
        ("insert overwrite a.b select 1", "INSERT OVERWRITE", Kind.WRITE),
        ("explain delete from a.b", "EXPLAIN", Kind.METADATA),
        ("show tables in a", "SHOW TABLES", Kind.METADATA),
        ("desc a.b", "DESCRIBE TABLE", Kind.METADATA),
    ],
)
def test_kinds(text: str, command: str, kind: Kind) -> None:
    statement = parse(text, NAMES)
    assert (statement.command, statement.kind) == (command, kind)

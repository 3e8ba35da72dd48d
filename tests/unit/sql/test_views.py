"""Views: their text is held to the rules of a statement, and no engine is given what the catalog has for it."""

from __future__ import annotations

import time
from typing import Any

import duckdb
import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table, UnresolvedName, View
from icefield_sql.analysis import views
from icefield_sql.analysis.projections import output_names
from icefield_sql.lang import planning_time
from icefield_sql.lang.timed import timed, written

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"polnor"}), ("demo",))


def view(text: str, *columns: str, dialect: str = "spark", **properties: str) -> View:
    named = {key.replace("_", "-").replace("spark-", "spark."): value for key, value in properties.items()}
    shown = tuple(Column(name, "bigint") for name in columns)
    return View(text, dialect, ("demo",), "acme", shown, named)


OBJECTS: dict[str, Table | View] = {
    "demo.orders": Table("orders", 1, columns=(Column("id", "bigint"), Column("price", "bigint"))),
    "demo.grown": Table(
        "grown", 1, columns=(Column("c", "bigint"), Column("b", "bigint"), Column("a", "bigint"), Column("d", "bigint"))
    ),
    "demo.cheap": view("SELECT id FROM orders WHERE price < 10 -- so far"),
    "demo.inside": view("SELECT c.id AS n FROM cheap c"),
    "demo.renamed": view("SELECT id, price FROM orders", "a", "b"),
    "demo.star": view("SELECT * FROM grown", "a", "b", spark_query_column_names="a,b"),
    "demo.star2": view("SELECT * FROM grown", "x", "y", spark_query_column_names="a,b"),
    "demo.star3": view("SELECT 7, *, count(*) OVER () FROM grown", "s", "a", "n", spark_query_column_names="7,a,q"),
    "demo.calls": view("SELECT reflect('java.lang.System', 'getenv', 'HOME') AS x"),
    "demo.files": view("SELECT * FROM parquet.`s3://other/x`"),
    "demo.drops": view("DROP TABLE orders"),
    "demo.hidden": view("SELECT id FROM calls"),
    "demo.trino": view('SELECT "id", CAST(price AS varchar) AS p FROM "acme"."demo"."orders"', dialect="trino"),
    "demo.trino_calls": view("SELECT query('SELECT 1')", dialect="trino"),
    "demo.trino_broken": view("SELEC 1", dialect="trino"),
    "demo.duck": view("FROM read_csv('/etc/passwd')", dialect="duckdb"),
    "demo.unknown": view("SELECT 1", dialect="martian"),
    "demo.huge": view("SELECT 1 " + " " * 300_000),
    "demo.loop": view("SELECT * FROM loop"),
    "demo.loop1": view("SELECT * FROM loop2"),
    "demo.loop2": view("SELECT * FROM loop1"),
    "demo.orphan": view("SELECT * FROM gone"),
    "demo.plain": view("SELECT `id` , 'x\\\\' AS `x` FROM `acme`.`demo`.`orders`"),
    "demo.quoted": view('SELECT "id" FROM orders'),
    "demo.over_quoted": view("SELECT id FROM quoted"),
    **{f"demo.wide{level}": view(f"SELECT 1 FROM wide{level + 1} a, wide{level + 1} b") for level in range(19)},
    "demo.wide19": view("SELECT 1 FROM orders"),
    **{f"demo.deep{level}": view(f"SELECT id FROM deep{level + 1}") for level in range(40)},
    "demo.deep40": view("SELECT id FROM orders"),
}
CATALOG = MemoryCatalog(OBJECTS)


async def plan(text: str, engine: Any = "auto") -> sql.Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG), engine)


async def spark(text: str) -> str:
    return " ".join((await plan(text, Engine.SPARK)).sql.split())


@pytest.mark.parametrize("engine", ["auto", "duckdb", "spark"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("calls", "view demo.calls cannot be read: The function reflect is not supported."),
        ("files", "view demo.files cannot be read: The name 's3"),
        ("drops", "view demo.drops cannot be read: Its text is not a query."),
        ("hidden", "view demo.calls cannot be read: The function reflect"),
        ("trino_calls", "view demo.trino_calls cannot be read: The function query"),
        ("trino_broken", "view demo.trino_broken cannot be read: Its text, in the dialect trino"),
        ("duck", "view demo.duck cannot be read: "),
        ("unknown", "view demo.unknown cannot be read: Its dialect 'martian' is not known."),
        ("huge", "view demo.huge cannot be read: Its text is longer"),
        ("loop", "view demo.loop reads itself."),
        ("loop1", "view demo.loop1 reads itself."),
        ("deep0", "Views nest deeper than 20."),
        ("cheap VERSION AS OF 1", "view demo.cheap has no versions"),
        ("cheap TIMESTAMP AS OF '2024-01-01'", "view demo.cheap has no versions"),
        ("demo.cheap.snapshots", "view demo.cheap has no metadata tables"),
    ],
)
async def test_views_that_no_engine_reads(name: str, reason: str, engine: str) -> None:
    with pytest.raises(SqlError, match=reason):
        await plan(f"SELECT * FROM {name}", engine)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO orders SELECT * FROM calls",
        "CREATE TABLE x AS SELECT * FROM hidden",
        "CREATE VIEW x AS SELECT * FROM hidden",
        "MERGE INTO orders t USING calls s ON t.id = s.x WHEN MATCHED THEN DELETE",
        "DELETE FROM orders WHERE id IN (SELECT x FROM calls)",
        "UPDATE orders SET id = (SELECT max(x) FROM calls)",
        "EXPLAIN SELECT * FROM calls",
        "EXPLAIN DELETE FROM orders WHERE id IN (SELECT x FROM calls)",
        "WITH q AS (SELECT * FROM calls) SELECT 1 AS one FROM orders",
    ],
)
async def test_nothing_reads_a_view_that_is_not_allowed(text: str) -> None:
    with pytest.raises(SqlError, match=r"view demo\.calls cannot be read: The function reflect"):
        await plan(text)


@pytest.mark.parametrize(
    "text",
    ["DROP VIEW calls", "CREATE OR REPLACE VIEW calls AS SELECT 1 AS x", "DESCRIBE calls", "SHOW CREATE TABLE calls"],
)
async def test_a_view_that_is_not_allowed_can_be_looked_at_and_be_replaced(text: str) -> None:
    assert (await plan(text)).sql


async def test_a_view_of_a_table_that_is_gone() -> None:
    for engine in Engine:
        with pytest.raises(UnresolvedName, match=r"view demo\.orphan reads demo\.gone, which does not exist"):
            await plan("SELECT * FROM orphan", engine)


async def test_views_that_read_views_twice_are_refused_at_once() -> None:
    with pytest.raises(SqlError, match="too much through views"):
        await plan("SELECT * FROM wide0")
    assert (await plan("SELECT * FROM wide14")).engine is Engine.DUCKDB
    assert (await plan("SELECT * FROM deep21")).engine is Engine.DUCKDB


CHEAP = "(SELECT id FROM `acme`.`demo`.`orders` WHERE price < 10)"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SELECT * FROM cheap", f"SELECT * FROM {CHEAP} AS `cheap`"),
        ("SELECT cheap.id FROM demo.cheap", f"SELECT cheap.id FROM {CHEAP} AS `cheap`"),
        ("SELECT demo.cheap.id FROM demo.cheap", f"SELECT `cheap`.id FROM {CHEAP} AS `cheap`"),
        ("SELECT x.n FROM cheap AS x(n)", f"SELECT x.n FROM {CHEAP} AS x ( n )"),
        ("SELECT * FROM inside i", f"SELECT * FROM (SELECT c.id AS n FROM {CHEAP} c) i"),
        ("TABLE cheap", f"SELECT * FROM {CHEAP} AS `cheap`"),
        ("SELECT * FROM cheap TABLESAMPLE (5 ROWS)", f"SELECT * FROM ({CHEAP} AS `cheap`) TABLESAMPLE ( 5 ROWS )"),
        ("SELECT * FROM cheap TABLESAMPLE (5 ROWS) x", f"SELECT * FROM {CHEAP} TABLESAMPLE ( 5 ROWS ) x"),
        (
            "WITH orders AS (SELECT 1 AS id) SELECT cheap.id FROM orders, cheap",
            f"WITH orders AS ( SELECT 1 AS id ) SELECT cheap.id FROM orders , {CHEAP} AS `cheap`",
        ),
        (
            "INSERT INTO orders SELECT id, id AS x FROM cheap",
            f"INSERT INTO `acme`.`demo`.`orders` SELECT id , id AS x FROM {CHEAP} AS `cheap`",
        ),
        (
            "MERGE INTO orders USING cheap ON orders.id = cheap.id WHEN MATCHED THEN DELETE",
            f"MERGE INTO `acme`.`demo`.`orders` USING {CHEAP} AS `cheap` ON orders.id = cheap.id "
            "WHEN MATCHED THEN DELETE",
        ),
        (
            "SELECT a FROM renamed",
            "SELECT a FROM (SELECT * FROM (SELECT id , price FROM `acme`.`demo`.`orders`) AS _v(`a`, `b`)) "
            "AS `renamed`",
        ),
        (
            "SELECT * FROM star",
            "SELECT * FROM (SELECT `a` AS `a`, `b` AS `b` FROM (SELECT * FROM `acme`.`demo`.`grown`) AS _v) AS `star`",
        ),
        (
            "SELECT * FROM trino",
            "SELECT * FROM (SELECT `id` , CAST ( price AS STRING ) AS p FROM `acme`.`demo`.`orders`) AS `trino`",
        ),
        (
            "CREATE VIEW x AS SELECT id FROM plain",
            "CREATE VIEW `acme`.`demo`.`x` AS SELECT id FROM `acme`.`demo`.`plain`",
        ),
        (
            "CREATE OR REPLACE VIEW plain AS SELECT 1 AS one",
            "CREATE OR REPLACE VIEW `acme`.`demo`.`plain` AS SELECT 1 AS one",
        ),
    ],
)
async def test_spark_is_given_our_words_for_a_view(text: str, written: str) -> None:
    assert await spark(text) == written


@pytest.mark.parametrize("name", ["quoted", "over_quoted", "cheap", "trino"])
async def test_a_view_is_made_only_of_views_that_spark_reads_as_we_do(name: str) -> None:
    with pytest.raises(SqlError, match="was not made here"):
        await plan(f"CREATE VIEW x AS SELECT * FROM {name}")


async def test_a_view_cannot_be_replaced_by_one_that_reads_it() -> None:
    with pytest.raises(SqlError, match=r"view demo\.plain would read itself"):
        await plan("CREATE OR REPLACE VIEW plain AS SELECT * FROM plain")


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("SELECT * FROM star", ["a", "b"], [(1, 2)]),
        ("SELECT s.b FROM star s", ["b"], [(2,)]),
        ("SELECT * FROM star2", ["x", "y"], [(1, 2)]),
        ("SELECT y + 1 AS z FROM star2", ["z"], [(3,)]),
        ("SELECT * FROM star3", ["s", "a", "n"], [(7, 1, 1)]),
    ],
)
async def test_a_star_stays_what_it_was(text: str, columns: list[str], rows: list[tuple[int, ...]]) -> None:
    compiled = await plan(text)
    assert compiled.engine is Engine.DUCKDB
    with duckdb.connect() as connection:
        connection.execute("CREATE MACRO iceberg_scan(x) AS TABLE SELECT 3 AS c, 2 AS b, 1 AS a, 4 AS d")
        result = connection.execute(compiled.sql)
        assert [column[0] for column in result.description] == columns
        assert result.fetchall() == rows


async def test_a_star_whose_columns_have_ambiguous_names_is_left_to_spark() -> None:
    joined = view("SELECT * FROM orders, orders o", "a", "b", "c", spark_query_column_names="id,id,id")
    resolved = await sql.resolve(
        sql.parse("SELECT * FROM twice", NAMES), MemoryCatalog({**OBJECTS, "demo.twice": joined})
    )
    assert sql.compile(resolved).engine is Engine.SPARK


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT explode(m) AS (k, v), t.a, id + 1, (SELECT 2) x FROM t", ["k", "v", "a", "?column?", "x"]),
        ("SELECT posexplode(m), s.*, count(*) FROM t", [None, None, "count"]),
        ("VALUES (1, 2), (3, 4)", ["col1", "col2"]),
        ("(SELECT 1 a UNION SELECT 2 b)", ["a"]),
        ("TABLE t", [None]),
        ("WITH q AS (SELECT 1 z) SELECT z FROM q", ["z"]),
    ],
)
def test_names_of_what_a_query_yields(text: str, names: list[str | None]) -> None:
    tree = sql.parse(text, NAMES).tree
    assert tree is not None
    assert output_names(tree) == names


OTHERS = ("trino", "postgres", "duckdb", "snowflake", "bigquery", "databricks")


@pytest.mark.parametrize("dialect", OTHERS)
@pytest.mark.parametrize("call", ["date", "int", "decimal", "struct", "time", "timestamp", "enum"])
def test_the_time_to_read_a_view_of_another_dialect_does_not_double_with_each_level(dialect: str, call: str) -> None:
    began = time.thread_time()
    with pytest.raises(SqlError) as raised:
        sql.read_view(
            view("SELECT " + f"{call}(" * 24 + "x" + ")" * 24 + " FROM orders, gone.x.y.z", dialect=dialect), NAMES
        )
    assert not isinstance(raised.value, sql.TakesTooLong)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("dialect", OTHERS)
@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("abs(", ")"), ("[", "]")])
def test_a_view_of_another_dialect_nests_no_deeper_than_a_statement(dialect: str, before: str, after: str) -> None:
    with pytest.raises(SqlError, match=r"nest|cannot be written"):
        sql.read_view(view(f"SELECT {before * 3000}1{after * 3000}", dialect=dialect), NAMES)


def test_all_of_reading_a_view_of_another_dialect_is_under_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PARSE_SECONDS", 0.0)
    with pytest.raises(sql.TakesTooLong, match="Its text takes too long to read"):
        sql.read_view(view(f"SELECT {', '.join(['1'] * 500)}", dialect="trino"), NAMES)


@pytest.mark.parametrize("dialect", OTHERS)
def test_each_step_with_another_dialect_looks_at_the_time(dialect: str) -> None:
    text, read = f"SELECT {', '.join(['a + 1'] * 500)}", timed(dialect)
    tokens = read.tokenize(text)
    (tree,) = read.parser().parse(tokens, text)
    for step in (
        lambda: read.tokenize(text),
        lambda: read.tokenize(f"SELECT 1 /* {', ' * 5000} */"),
        lambda: read.tokenize("SELECT '" + "a''" * 5000 + "'"),
        lambda: read.parser().parse(tokens, text),
        lambda: written(tree, "spark"),
    ):
        with planning_time.limited_to(-1.0), pytest.raises(planning_time.OutOfTimeError):
            step()

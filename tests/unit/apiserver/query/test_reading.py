"""What a query says, in whichever SQL, and the tables that a request names itself."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.query import reading
from icefield_apiserver.features.query.decision import QueryKind
from icefield_apiserver.features.query.schemas import table_alias
from icefield_sql import Names, TableName

NAMES = Names("acme", frozenset({"oleander"}), ("default",))
FLOWERS = {"Flowers": TableName(("garden",), "flowers_2026")}


@pytest.mark.parametrize(
    ("text", "kind", "dialect", "reads"),
    [
        ("SELECT * FROM flowers", QueryKind.READ, "icefield", ["default.flowers"]),
        ("SELECT * FROM oleander.default.flowers;", QueryKind.READ, "icefield", ["default.flowers"]),
        ("SELECT * FROM default.flowers", QueryKind.READ, "icefield", ["default.flowers"]),
        ('SELECT * FROM "acme"."garden".`my flowers`', QueryKind.READ, "icefield", ["garden.my flowers"]),
        ("SELECT 'delete from x' AS update FROM garden.f", QueryKind.READ, "icefield", ["garden.f"]),
        ("WITH f AS (SELECT 1 AS x) SELECT * FROM f", QueryKind.READ, "icefield", []),
        ("FROM garden.f SELECT list_sum([1, 2])", QueryKind.READ, "duckdb", ["garden.f"]),
        ("SHOW TABLES IN garden", QueryKind.METADATA, "icefield", []),
        ("INSERT INTO garden.g SELECT * FROM garden.f", QueryKind.WRITE, "icefield", ["garden.f"]),
        ("CREATE TABLE default.g AS SELECT 1 AS x", QueryKind.WRITE, "icefield", []),
    ],
)
def test_what_a_query_is(text: str, kind: QueryKind, dialect: str, reads: list[str]) -> None:
    asked = reading.read(text, NAMES, {})
    assert (asked.kind, asked.dialect, [str(name) for name in asked.statement.reads]) == (kind, dialect, reads)
    assert asked.text == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SELECT flowers.x FROM flowers", 'SELECT flowers.x FROM "garden"."flowers_2026" AS "flowers"'),
        ("SELECT f.x FROM FLOWERS AS f", 'SELECT f.x FROM "garden"."flowers_2026" AS f'),
        (
            "SELECT * FROM flowers JOIN garden.flowers g USING (x)",
            'SELECT * FROM "garden"."flowers_2026" AS "flowers" JOIN garden.flowers g USING (x)',
        ),
        (
            "WITH flowers AS (SELECT 1 AS x) SELECT * FROM flowers",
            "WITH flowers AS (SELECT 1 AS x) SELECT * FROM flowers",
        ),
    ],
)
def test_tables_that_the_request_names(text: str, written: str) -> None:
    asked = reading.read(text, NAMES, FLOWERS)
    assert asked.text == written
    assert reading.read(written, NAMES, {}).statement.reads == asked.statement.reads


def test_polars_spells_texts_as_duckdb_does() -> None:
    text = r"SELECT * FROM garden.f WHERE name = '\'"
    with pytest.raises(BadRequest):
        reading.read(text + " AND 'x' = 1 '", NAMES, {}, for_polars=True)
    assert reading.read(text, NAMES, {}, for_polars=True).dialect == "duckdb"
    assert reading.read("INSERT INTO garden.f VALUES (1)", NAMES, {}, for_polars=True).kind is QueryKind.WRITE


@pytest.mark.parametrize(
    "text", ["SELEC 1", "SELECT 1; SELECT 2", "COPY x TO '/tmp/y'", "SELECT * FROM read_csv('x')", ";"]
)
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(BadRequest):
        reading.read(text, NAMES, {})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("f=garden.flowers", ("f", TableName(("garden",), "flowers"))),
        (" f = oleander.garden.raw.flowers ", ("f", TableName(("garden", "raw"), "flowers"))),
        ("garden.flowers", ("flowers", TableName(("garden",), "flowers"))),
        ("flowers", ("flowers", TableName(("default",), "flowers"))),
    ],
)
def test_bindings(entry: str, expected: tuple[str, TableName]) -> None:
    assert reading.binding_of(table_alias(entry), NAMES) == expected


@pytest.mark.parametrize("entry", ["", "=garden.f", "f=", "1f=garden.f", "f=a.b.c.d", "a-b=garden.f", "f=garden..f"])
def test_what_is_no_binding(entry: str) -> None:
    with pytest.raises(BadRequest):
        reading.binding_of(table_alias(entry), NAMES)

"""Stars of stars: how many columns a statement's queries have is counted before anything writes them out."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Column, Names, SqlError, Table, View
from icefield_sql.analysis.widths import MAX_COLUMNS, MAX_COLUMNS_TOGETHER

from .catalog import MemoryCatalog

NAMES = Names("acme", schema=("demo",))
WIDE = tuple(Column(f"c{number}", "bigint") for number in range(1000))
CATALOG = MemoryCatalog(
    {
        "demo.t": Table("t", 1, columns=(Column("a", "bigint"), Column("b", "bigint"))),
        "demo.wide": Table("wide", 1, columns=WIDE),
        "demo.doubled": View("SELECT w.*, v.* FROM wide w JOIN wide v ON w.c0 = v.c0", default_namespace=("demo",)),
    }
)


async def plan(text: str, dialect: str = "icefield", engine: str = "auto") -> sql.Compiled:
    resolved = await sql.resolve(sql.parse(text, NAMES, dialect=dialect), CATALOG)
    return sql.compile(resolved, engine)  # type: ignore[arg-type]


def nested(query: str, levels: int, inner: str) -> str:
    for _ in range(levels):
        inner = query.replace("{}", f"({inner}) AS q")
    return inner


def chained(query: str, count: int) -> str:
    steps = ", ".join(f"c{number} AS ({query.replace('{}', f'c{number - 1}')})" for number in range(1, count))
    return f"WITH c0 AS (SELECT * FROM t), {steps} SELECT 1 AS x FROM c{count - 1}"


TOO_WIDE = {
    "stars": nested(f"SELECT {', '.join(['*'] * 60)} FROM {{}}", 4, "SELECT * FROM t"),
    "labels": nested("SELECT q.*, q.* FROM {}", 20, "SELECT * FROM t"),
    "joins": nested("SELECT * FROM {} JOIN t AS q2 JOIN wide", 10, "SELECT * FROM wide"),
    "ctes": chained("SELECT x.*, y.* FROM {} AS x JOIN {} AS y ON x.a = y.a", 20),
    "parentheses": f"SELECT * FROM (wide AS w0 {' '.join(f'CROSS JOIN wide AS w{n}' for n in range(1, 11))})",
    "union": f"SELECT * FROM t UNION ALL {nested('SELECT *, * FROM {}', 20, 'SELECT 1 AS x')}",
    "expression": f"SELECT 1 AS x WHERE EXISTS ({nested('SELECT *, * FROM {}', 20, 'SELECT 1 AS x')})",
    "views": f"SELECT {', '.join(['*'] * 6)} FROM doubled",
    "write": f"INSERT INTO t {nested('SELECT *, * FROM {}', 20, 'SELECT 1 AS x')}",
    "values": nested("SELECT *, * FROM {}", 13, "SELECT * FROM VALUES (1, 2)"),
    "explain": f"EXPLAIN {nested('SELECT *, * FROM {}', 20, 'SELECT 1 AS x')}",
}


@pytest.mark.parametrize("engine", ["auto", "spark"])
@pytest.mark.parametrize("text", TOO_WIDE.values(), ids=TOO_WIDE)
async def test_too_many_columns_are_refused_before_they_are_made(text: str, engine: str) -> None:
    """Made, they would be refused with another sentence, when the time is over."""
    with pytest.raises(SqlError, match=rf"more than {MAX_COLUMNS} columns; name the columns"):
        await plan(text, engine=engine)


async def test_duckdbs_own_dialect_is_counted_too() -> None:
    with pytest.raises(SqlError, match="columns; name the columns"):
        await plan(nested("FROM {} SELECT *, *", 20, "FROM t"), "duckdb", "duckdb")


async def test_all_queries_are_counted_together() -> None:
    steps = ", ".join(f"c{number} AS (SELECT * FROM wide)" for number in range(MAX_COLUMNS_TOGETHER // 1000 + 1))
    with pytest.raises(SqlError, match=f"more than {MAX_COLUMNS_TOGETHER} columns together"):
        await plan(f"WITH {steps} SELECT 1 AS x")
    with pytest.raises(SqlError, match=f"more than {MAX_COLUMNS_TOGETHER} columns together"):
        await plan(" UNION ALL ".join(["SELECT 1 AS x FROM doubled"] * (MAX_COLUMNS_TOGETHER // 2000 + 1)))


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT {', '.join(['*'] * 10)} FROM wide",
        f"SELECT w.* FROM wide AS w {' '.join(f'LEFT SEMI JOIN wide AS w{n} ON w.c0 = w{n}.c0' for n in range(20))}",
        "SELECT count(*) AS n FROM doubled",
        f"SELECT {', '.join(f'(SELECT count(*) FROM t) AS c{n}' for n in range(50))} FROM wide",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "WITH t AS (SELECT * FROM t) SELECT * FROM t",
        " UNION ALL ".join(["SELECT * FROM t"] * 500),
        "SELECT * FROM t LATERAL VIEW explode(array(1)) AS e",
        "SELECT * FROM t.snapshots",
    ],
)
async def test_what_people_write_is_planned(text: str) -> None:
    assert (await plan(text)).sql


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize("fields", [1, 4])
def test_a_pivot_of_too_many_columns_is_refused_before_they_are_named(dialect: str, fields: int) -> None:
    values = ", ".join(map(str, range(101 if fields > 1 else 10_001)))
    text = f"SELECT * FROM t PIVOT (sum(a) AS s FOR {' '.join(f'b{n} IN ({values})' for n in range(fields))})"
    with pytest.raises(SqlError, match=f"more than {MAX_COLUMNS} columns"):
        sql.parse(text, NAMES, dialect=dialect)

"""Statements of thousands of terms: each is planned, or goes to Spark, or is refused with one sentence."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table
from icefield_sql.analysis import bulk
from icefield_sql.analysis import parse as parsing
from icefield_sql.lang.lexing import PLANNED_DEPTH

from .catalog import MemoryCatalog

NAMES = Names("acme", schema=("demo",))
CATALOG = MemoryCatalog({"demo.t": Table("t", 1, columns=(Column("id", "bigint"), Column("s", "string")))})
COUNT = 1200
PLANNED_IN_TIME = 500
"""Terms enough to exceed Python's recursion limit, and few enough to be planned in time on a busy machine."""


async def plan(text: str, dialect: str = "icefield") -> sql.Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES, dialect=dialect), CATALOG), row_limit=10)


def joined(operator: str, term: str, count: int = COUNT) -> str:
    return f" {operator} ".join(term.format(number) for number in range(count))


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        (joined("OR", "id = {}", PLANNED_IN_TIME), 500),
        (joined("AND", "id <> {}", PLANNED_IN_TIME), 500),
        (joined("OR", "id = {} AND id > 9", PLANNED_IN_TIME), 490),
        (f"NOT ({joined('AND', '(id <> {0} OR id IS NULL)', PLANNED_IN_TIME)})", 500),
    ],
)
async def test_chains_of_conditions_run_on_duckdb(condition: str, count: int) -> None:
    compiled = await plan(f"SELECT count(*) AS n FROM range(1000) WHERE {condition}")
    assert compiled.engine is Engine.DUCKDB
    with duckdb.connect() as connection:
        assert connection.execute(compiled.sql).fetchall() == [(count,)]


async def test_the_operands_of_a_chain_keep_their_order_and_null_stays_null() -> None:
    terms = " OR ".join(["CAST(NULL AS BOOLEAN)", *["false"] * 20, "NULL IS NULL AND NULL"])
    compiled = await plan(f"SELECT ({terms}) IS NULL AS x, 1 = 2 OR {terms} OR 2 = 2 AS y")
    first, last = compiled.sql.find("1 = 2"), compiled.sql.find("2 = 2", compiled.sql.find("1 = 2") + 5)
    assert 0 < first < last
    with duckdb.connect() as connection:
        assert connection.execute(compiled.sql).fetchall() == [(True, True)]


@pytest.mark.parametrize(
    "expression",
    [joined("+", "id"), joined("||", "s"), "id" + "::bigint" * COUNT, "id" + " - 1" * COUNT],
    ids=["plus", "concat", "casts", "minus"],
)
async def test_chains_of_other_operators_go_to_spark(expression: str) -> None:
    compiled = await plan(f"SELECT {expression} AS x FROM t")
    assert compiled.engine is Engine.SPARK
    assert compiled.warnings == ("Runs on Spark: it nests too deep.",)


async def test_the_text_for_polars_is_written_too() -> None:
    statement = sql.parse(f"SELECT id{'::bigint' * COUNT} FROM t", NAMES)
    limits = sql.PolarsLimits(".*")
    assert sql.polars_obstacle(await sql.resolve(statement, CATALOG), statement, limits) is None
    assert sql.to_polars(statement).text.endswith("AS `id` FROM `demo_t` AS `t`")


async def test_long_unions_are_planned() -> None:
    compiled = await plan(joined("UNION ALL", "SELECT {}"))
    assert compiled.sql.count("AS `?column?`") == COUNT


def nested(before: str, inner: str, after: str, depth: int) -> str:
    return before * depth + inner + after * depth


LONG = {
    "union": " UNION ALL ".join(f"SELECT {n}" for n in range(2000)),
    "except": " EXCEPT ".join(f"SELECT {n}" for n in range(2000)),
    "in": f"SELECT id FROM t WHERE id IN ({', '.join(map(str, range(20_000)))})",
    "values": f"VALUES {', '.join(f'({n})' for n in range(20_000))}",
    "insert": f"INSERT INTO t VALUES {', '.join(f'({n} + 1, upper(NULL))' for n in range(5000))}",
    "case": f"SELECT CASE {' '.join(f'WHEN id = {n} THEN {n}' for n in range(5000))} END AS x FROM t",
    "ctes": f"WITH {', '.join(f'c{n} AS (SELECT {n} AS a)' for n in range(1000))} SELECT * FROM c999",
    "projections": f"SELECT {', '.join(f'id + {n} AS c{n}' for n in range(3000))} FROM t",
    "subqueries": nested("SELECT id FROM (", "SELECT id FROM t", ") AS x", 200),
    "calls": f"SELECT {nested('abs(', 'id', ')', 300)} AS x FROM t",
    "parentheses": f"SELECT {nested('(', 'id', ')', 1000)} AS x FROM t",
    "products": f"SELECT {' * '.join(['id'] * 5000)} AS x FROM t",
    "joins": f"SELECT 1 AS x FROM t AS a {' '.join(f'JOIN t AS a{n} ON a{n}.id = a.id' for n in range(5000))}",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
async def test_whatever_is_long_has_an_end(text: str) -> None:
    """It is planned or refused with a sentence; the time is twice the limits, for machines that are busy."""
    began = time.thread_time()
    try:
        await plan(text)
    except SqlError as error:
        assert error.sentence
    assert time.thread_time() - began < 2 * (parsing.PARSE_SECONDS + 0.5)


@pytest.mark.parametrize(("joins", "engine"), [(100, Engine.DUCKDB), (101, Engine.SPARK)])
async def test_duckdb_is_not_given_joins_that_it_takes_minutes_to_order(joins: int, engine: Engine) -> None:
    source = " ".join(f"JOIN range(1) AS a{n} ON a{n}.id = a.id" for n in range(joins))
    assert (await plan(f"SELECT 1 AS x FROM range(1) AS a {source}")).engine is engine


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize("depth", [300, 2000])
@pytest.mark.parametrize("text", ["SELECT {} true AS x", "SELECT id FROM t WHERE {} true"])
async def test_what_nests_too_deep_is_refused(text: str, depth: int, dialect: str) -> None:
    for operator in ("NOT", "-", "~"):
        try:
            await plan(text.format(f"{operator} " * depth), dialect)
        except SqlError as error:
            assert error.sentence.endswith("nests too deep.")


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(("abs(", ")"), ("(", ")"), ("(SELECT ", ")"), ("1 + (", ")"), ("CAST(", " AS BIGINT)")),
        *(("CASE WHEN true THEN ", " END"), ("coalesce(1, ", ")"), ("if(true, ", ", 1)")),
        ("(SELECT id FROM (SELECT ", " AS id FROM t) AS q LIMIT 1)"),
    ],
)
def test_so_many_levels_are_always_planned(before: str, after: str, dialect: str) -> None:
    """In a server a hundred frames are on the stack before ours."""
    levels = PLANNED_DEPTH // before.count("(SELECT") if before.count("(SELECT") > 1 else PLANNED_DEPTH
    text = f"SELECT {before * levels}id{after * levels} AS x FROM t"

    def below(frames: int) -> sql.Compiled:
        return below(frames - 1) if frames else asyncio.run(plan(text, dialect))

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(below, 100).result().engine is Engine.DUCKDB


def test_rows_are_read_alike_whether_or_not_they_are_of_one_shape() -> None:
    rows = ["(1, NULL, 2)"] * 300 + ["(1, 'it''s', 2)"] * 300 + ["( '2' ,NULL,DATE '2026-01-01')"] * 300
    split = bulk.split(f"INSERT INTO t VALUES {', '.join(rows)};")
    assert split is not None
    assert split.head + split.tail == "INSERT INTO t VALUES " + ", ".join(rows).replace("''", "\\'")
    assert split.texts == {0, 1}
    for odd in ("(1, 2, upper('a'))", "(1, 2, x)", "(1, 2, 3", "(1, 2, '3)"):
        assert bulk.split(f"INSERT INTO t VALUES {', '.join([*rows, odd])}") is None

"""Statements of thousands of terms: each is planned, or goes to Spark, or is refused with one sentence."""

from __future__ import annotations

import duckdb
import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table

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


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize("depth", [300, 2000])
@pytest.mark.parametrize("text", ["SELECT {} true AS x", "SELECT id FROM t WHERE {} true"])
async def test_what_nests_too_deep_is_refused(text: str, depth: int, dialect: str) -> None:
    for operator in ("NOT", "-", "~"):
        try:
            await plan(text.format(f"{operator} " * depth), dialect)
        except SqlError as error:
            assert error.sentence.endswith("nests too deep.")

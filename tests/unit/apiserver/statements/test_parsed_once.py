"""On every path a statement is parsed once and compiled once."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlglot.parser import Parser

from icefield_apiserver.features.query.domain import Query, SparkQuery, TableAlias
from icefield_apiserver.features.spark.service import Machines
from icefield_apiserver.features.statements.requests import ExecuteRequest, PlanRequest

from .in_process import PRINCIPAL, InProcess, in_process


class Counts:
    """How often sqlglot parsed, and how often a statement was compiled."""

    parses = 0
    compiles = 0


@pytest_asyncio.fixture
async def services() -> AsyncIterator[InProcess]:
    async with in_process() as services:
        yield services


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch, services: InProcess) -> Counts:
    counted = Counts()
    compiling = importlib.import_module("icefield_sql.compile")
    parse, to_duckdb, to_spark = Parser.parse, compiling.to_duckdb, compiling.to_spark

    def counting_parse(*arguments: Any, **options: Any) -> Any:
        counted.parses += 1
        return parse(*arguments, **options)

    def counting_duckdb(*arguments: Any, **options: Any) -> Any:
        counted.compiles += 1
        return to_duckdb(*arguments, **options)

    def counting_spark(*arguments: Any, **options: Any) -> Any:
        counted.compiles += 1
        return to_spark(*arguments, **options)

    monkeypatch.setattr(Parser, "parse", counting_parse)
    monkeypatch.setattr(compiling, "to_duckdb", counting_duckdb)
    monkeypatch.setattr(compiling, "to_spark", counting_spark)
    return counted


def request(text: str, **options: Any) -> ExecuteRequest:
    return ExecuteRequest(PlanRequest(text, schema="default", **options), "default")


@pytest.mark.parametrize("text", ["SELECT id FROM orders", "SELECT name, count(*) FROM default.orders GROUP BY name"])
async def test_sql_execute(services: InProcess, counts: Counts, text: str) -> None:
    statement, rows = await services.statements.execute(PRINCIPAL, request(text))
    assert (statement.status, rows is None) == ("succeeded", False)
    assert (counts.parses, counts.compiles) == (1, 1)


async def test_sql_execute_again_parses_and_compiles_nothing(services: InProcess, counts: Counts) -> None:
    for _ in range(3):
        await services.statements.execute(PRINCIPAL, request("SELECT id FROM orders"))
    assert (counts.parses, counts.compiles) == (1, 1)
    assert len({statement.sql for statement in services.gateway.received}) == 1


async def test_a_write(services: InProcess, counts: Counts) -> None:
    await services.statements.execute(PRINCIPAL, request("INSERT INTO orders SELECT * FROM orders"))
    assert (counts.parses, counts.compiles) == (1, 1)


@pytest.mark.parametrize(
    ("query", "parses", "compiles"),
    [
        (Query("SELECT id FROM orders"), 1, 1),
        (Query("SELECT id FROM orders", explain=True), 1, 1),
        (Query("SELECT id FROM orders", engine="duckdb"), 1, 1),
        (Query("SELECT o.id FROM o", tables=(TableAlias("default.orders", "o"),)), 1, 1),
        (Query("INSERT INTO orders SELECT * FROM orders"), 1, 1),
        (Query("SELECT id FROM orders", engine="spark", destination="default.copy"), 1, 1),
        (Query("SELECT id FROM orders", destination="default.copy"), 1, 0),
        (Query("SELECT id FROM orders", engine="polars"), 1, 0),
        (Query("FROM orders SELECT list_sum([1, id])"), 1, 1),
        (Query("SELECT list_sum([1, id]) FROM orders"), 2, 1),
    ],
    ids=lambda value: None if isinstance(value, int) else f"{value.engine}: {value.text}",
)
async def test_query(services: InProcess, counts: Counts, query: Query, parses: int, compiles: int) -> None:
    """DuckDB's own functions are known from a second parse, in its dialect. Polars needs no compile."""
    await services.queries.answer(PRINCIPAL, query)
    assert (counts.parses, counts.compiles) == (parses, compiles)


async def test_a_read_loads_its_table_once(services: InProcess) -> None:
    await services.queries.answer(PRINCIPAL, Query("SELECT id FROM orders"))
    assert services.catalog.loads == 1


async def test_lake_query(services: InProcess, counts: Counts) -> None:
    answer = await services.queries.lake_query(PRINCIPAL, "SELECT id FROM orders", auto_save=False)
    assert answer["success"]
    assert (counts.parses, counts.compiles) == (1, 1)


async def test_spark_query(services: InProcess, counts: Counts) -> None:
    query = SparkQuery("SELECT id FROM orders", "default.copy", "overwrite", "jobs", "copy")
    await services.spark.run(PRINCIPAL, query, Machines())
    assert (counts.parses, counts.compiles) == (1, 1)


async def test_tables_under_other_names_keep_them_on_every_engine(services: InProcess) -> None:
    alias = (TableAlias("default.orders", "o"),)
    await services.queries.answer(PRINCIPAL, Query("SELECT o.id FROM o", tables=alias))
    await services.queries.answer(PRINCIPAL, Query("INSERT INTO default.orders SELECT o.* FROM o", tables=alias))
    duckdb, spark = (statement.sql for statement in services.gateway.received)
    assert 'AS "o"' in duckdb
    assert "`acme`.`default`.`orders` AS `o`" in spark

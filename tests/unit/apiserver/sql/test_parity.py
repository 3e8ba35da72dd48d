"""What DuckDB answers to our translation, against what Spark 4 answered to the same SQL (parity.json).

A statement may also be sent to Spark; but none may get another answer from DuckDB.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from icefield_apiserver.sql import Column, Compiled, Engine, Names, Table, compile, parse, resolve

from .catalog import MemoryCatalog
from .parity_table import COLUMNS, DUCKDB_ROWS, DUCKDB_TYPES, plain

ANSWERS = json.loads((Path(__file__).parent / "parity.json").read_text("utf-8"))
NAMES = Names("acme", frozenset({"polnor"}), ("demo",))
CATALOG = MemoryCatalog({"demo.t": Table("t", 1, columns=tuple(Column(name, kind) for name, kind in COLUMNS.items()))})
UNORDERED = ("collect_list(i) FROM t WHERE i > 100",)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE t ({DUCKDB_TYPES})")
    for row in DUCKDB_ROWS:
        connection.execute(f"INSERT INTO t VALUES ({row})")
    connection.execute("CREATE MACRO iceberg_scan(name) AS TABLE SELECT * FROM t")
    return connection


async def compiled(sql: str) -> Compiled:
    return compile(await resolve(parse(sql, NAMES), CATALOG))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["sql"][:80])
async def test_duckdb_answers_as_spark_or_leaves_it_to_spark(
    answer: dict[str, Any], connection: duckdb.DuckDBPyConnection
) -> None:
    plan = await compiled(answer["sql"])
    if plan.engine is Engine.SPARK:
        pytest.skip(plan.warnings[0])
    if "error" in answer:
        with pytest.raises(duckdb.Error):
            connection.execute(plan.sql).fetchall()
        return
    result = connection.execute(plan.sql)
    rows = [[plain(value) for value in row] for row in result.fetchall()]
    assert rows == answer["rows"], plan.sql

"""What DuckDB answers to our translation, against what Spark 4 answered to the same SQL (parity.json).

A statement may also be sent to Spark; but none may get another answer from DuckDB.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

import icefield_sql as plan_sql
from icefield_sql import Column, Compiled, Engine, Names, Table, parse, resolve

from .catalog import MemoryCatalog
from .parity_table import COLUMNS, DUCKDB_ROWS, DUCKDB_TYPES, plain

ANSWERS = json.loads((Path(__file__).parent / "parity.json").read_text("utf-8"))
NAMES = Names("acme", frozenset({"polnor"}), ("demo",))
CATALOG = MemoryCatalog({"demo.t": Table("t", 1, columns=tuple(Column(name, kind) for name, kind in COLUMNS.items()))})
_DECIMAL = re.compile(r"-?\d+\.\d{6,}")


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
    return plan_sql.compile(await resolve(parse(sql, NAMES), CATALOG))


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
    try:
        result = connection.execute(plan.sql)
    except duckdb.InvalidInputException as error:
        if "[NOT_IMPLEMENTED_ERROR]" not in str(error):
            raise
        pytest.skip("moves to Spark while it runs")
    rows = [[plain(value) for value in row] for row in result.fetchall()]
    assert [_spark_type(str(column[1])) for column in result.description] == [_known(kind) for kind in answer["types"]]
    assert len(rows) == len(answer["rows"])
    assert all(_alike(mine, wanted) for mine, wanted in zip(rows, answer["rows"], strict=True)), (rows, answer["rows"])


_TYPES = {
    "INTEGER": "int",
    "HUGEINT": "bigint",
    "VARCHAR": "string",
    "BLOB": "binary",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMP": "timestamp_ntz",
}


def _spark_type(name: str) -> str:
    """Return Spark's name of a type of DuckDB, as the gateway gives it; all nested types are `nested`."""
    if name.endswith("]") or name.startswith(("STRUCT", "MAP")):
        return "nested"
    return _TYPES.get(name, name.lower())


def _known(name: str) -> str:
    name = "int" if name == "void" else name  # a bare NULL, which DuckDB calls an INTEGER
    return "nested" if name.startswith(("array", "struct", "map")) else name


def _alike(mine: Any, wanted: Any) -> bool:
    """Compare values; DuckDB divides decimals as doubles, so those agree in their first 15 digits only."""
    if isinstance(wanted, list) and isinstance(mine, list):
        return len(mine) == len(wanted) and all(_alike(a, b) for a, b in zip(mine, wanted, strict=True))
    if isinstance(wanted, str) and isinstance(mine, str) and _DECIMAL.fullmatch(wanted) and _DECIMAL.fullmatch(mine):
        same_scale = len(mine.partition(".")[2]) == len(wanted.partition(".")[2])
        return same_scale and math.isclose(float(mine), float(wanted), rel_tol=1e-15)
    return bool(mine == wanted)

"""The 22 queries of TPC-H, translated, against DuckDB's own answers over the same Parquet files."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import icefield_sql as plan_sql
from icefield_sql import Column, Engine, Names, Table, parse, resolve

from .catalog import MemoryCatalog

QUERIES = sorted((Path(__file__).parents[3] / "benchmarks" / "tpch_queries").glob("*.sql"))
NAMES = Names("acme", frozenset({"polnor"}), ("tpch",))
SPARK_TYPES = {"INTEGER": "int", "BIGINT": "bigint", "VARCHAR": "string", "DATE": "date", "DOUBLE": "double"}


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("tpch")
    program = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([program, "parquet", "-s", "0.01", "--output-dir", folder], check=True, timeout=120)
    with duckdb.connect() as connection:
        for file in folder.glob("*.parquet"):
            connection.execute(f"CREATE TABLE {file.stem} AS SELECT * FROM '{file}'")
        yield connection


@pytest.fixture(scope="module")
def catalog(connection: duckdb.DuckDBPyConnection) -> MemoryCatalog:
    tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
    described = {name: connection.execute(f"DESCRIBE {name}").fetchall() for name in tables}
    return MemoryCatalog(
        {
            f"tpch.{name}": Table(
                name, 1, columns=tuple(Column(row[0], SPARK_TYPES.get(row[1], row[1].lower())) for row in rows)
            )
            for name, rows in described.items()
        }
    )


def test_there_are_22_queries() -> None:
    assert len(QUERIES) == 22


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
async def test_duckdb_answers_alike(file: Path, connection: duckdb.DuckDBPyConnection, catalog: MemoryCatalog) -> None:
    text = file.read_text("utf-8")  # noqa: ASYNC240 - a test
    plan = plan_sql.compile(await resolve(parse(text, NAMES), catalog))
    assert plan.engine is Engine.DUCKDB, plan.warnings
    ours = connection.execute(_scanned(plan.sql, catalog)).fetchall()
    theirs = connection.execute(text).fetchall()
    assert len(ours) == len(theirs)
    for mine, wanted in zip(sorted(ours, key=repr), sorted(theirs, key=repr), strict=True):
        assert all(_close(a, b) for a, b in zip(mine, wanted, strict=True)), (mine, wanted)


def _scanned(sql: str, catalog: MemoryCatalog) -> str:
    for table in catalog.objects:
        sql = sql.replace(f"iceberg_scan('{table.name}')", table.name)
    return sql


def _close(mine: object, wanted: object) -> bool:
    if isinstance(wanted, float | Decimal) and isinstance(mine, float | Decimal):
        return math.isclose(float(mine), float(wanted), rel_tol=1e-6, abs_tol=1e-6)
    return mine == wanted

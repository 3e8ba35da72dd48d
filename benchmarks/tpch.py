"""The 22 TPC-H queries through the API against DuckDB in this process on the same Parquet files of the same store.

The tables are Iceberg tables that PyIceberg writes through the platform's catalog, once; DuckDB reads their data files
as plain Parquet. Query texts: TPC-H specification 3.0.1, with its validation parameters, in benchmarks/tpch_queries.
`eval "$(icefield env)"; python -m benchmarks.tpch`.
"""

from __future__ import annotations

import argparse
import io
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import parquet
from pyiceberg.exceptions import NoSuchTableError
from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import SqlPlatform, catalog, in_process_duckdb, store_of
from icefield_cluster.paths import cache_dir

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
QUERIES = Path(__file__).with_name("tpch_queries")
BAR = 1.3
TOLERANCE = 1e-6
GENERATE_SECONDS = 1800


def generated(scale: str) -> Path:
    """Return the folder of the generated data, made if need be."""
    folder = cache_dir() / "tpch" / f"sf{scale}"
    if not (folder / "complete").exists():
        program = Path(sys.executable).with_name("tpchgen-cli")
        subprocess.run(
            [program, "parquet", "--scale-factor", scale, "--output-dir", folder, "--overwrite"],
            check=True,
            timeout=GENERATE_SECONDS,
        )
        (folder / "complete").touch()
    return folder


def load(platform: SqlPlatform, scale: str) -> str:
    """Write the tables that are not there yet, and return the name of their database."""
    database = platform.create_database(f"tpch_sf{scale.replace('.', '_')}")
    iceberg = catalog()
    for name in TABLES:
        try:
            if iceberg.load_table(f"{database}.{name}").current_snapshot():
                continue
            iceberg.drop_table(f"{database}.{name}")
        except NoSuchTableError:
            pass
        rows = parquet.read_table(generated(scale) / f"{name}.parquet")
        plain = pa.schema([(field.name, _plain(field.type)) for field in rows.schema])
        iceberg.create_table(f"{database}.{name}", schema=plain).append(rows.cast(plain))
    return database


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == pa.string_view() else kind


def peer_of(database: str) -> duckdb.DuckDBPyConnection:
    """Return DuckDB with a view over each table's data files."""
    peer = in_process_duckdb(store_of(database, "region"))
    iceberg = catalog()
    for name in TABLES:
        files = [task.file.file_path for task in iceberg.load_table(f"{database}.{name}").scan().plan_files()]
        peer.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files})")
    return peer


def ask(platform: SqlPlatform, database: str, query: str) -> tuple[float, dict[str, Any]]:
    """Run a query through the API; return the seconds it took, rows included, and the answer."""
    started = time.perf_counter()
    answer = platform.execute(query, schema=database)
    return time.perf_counter() - started, answer


def ask_peer(peer: duckdb.DuckDBPyConnection, query: str) -> tuple[float, list[tuple[Any, ...]]]:
    """Run a query in process; return the seconds it took, and its rows."""
    started = time.perf_counter()
    rows = peer.execute(query).fetchall()
    return time.perf_counter() - started, rows


def assert_same(name: str, platform: SqlPlatform, statement_id: str, expected: Sequence[tuple[Any, ...]]) -> None:
    """Compare the statement's whole result with the peer's rows; numbers may differ in how exact a type they have."""
    content = platform.rest.get(f"/sql/statements/{statement_id}/arrow").raise_for_status().content
    table = pa.ipc.open_stream(io.BytesIO(content)).read_all()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert len(rows) == len(expected), f"{name}: {len(rows)} rows, not {len(expected)}"
    for ours, theirs in zip(rows, expected, strict=True):
        assert all(map(_is_same, ours, theirs)), f"{name}: {ours} is not {theirs}"


def _is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, int | float | Decimal) and isinstance(theirs, int | float | Decimal):
        return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(ours == theirs)


def measure(scale: str, rounds: int, table: Table) -> float:
    """Run every query on both sides, in turns, and add a row for each; return the geometric mean of the ratios."""
    platform = SqlPlatform()
    platform.warm_up()
    database = load(platform, scale)
    peer = peer_of(database)
    ratios = []
    for path in sorted(QUERIES.glob("q*.sql")):
        query = path.read_text(encoding="utf-8")
        _, answer = ask(platform, database, query)
        assert_same(path.stem, platform, answer["statement_id"], ask_peer(peer, query)[1])
        pairs = [(ask(platform, database, query)[0], ask_peer(peer, query)[0]) for _ in range(rounds)]
        ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        ratios.append(ours / bare)
        table.add_row(path.stem, answer["engine"], f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.2f}", "")
    return geometric_mean(ratios)


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scale", default="1")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    table = Table(title=f"TPC-H, scale factor {chosen.scale}, seconds (medians of {chosen.rounds}); results compared")
    for column in ("query", "engine", "API", "in-process DuckDB", "ratio", "bar"):
        table.add_column(column)
    mean = measure(chosen.scale, chosen.rounds, table)
    table.add_row("geometric mean", "", "", "", f"{mean:.2f}", f"<= {BAR}")
    Console().print(table)


if __name__ == "__main__":
    main()

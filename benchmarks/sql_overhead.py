"""What the platform adds to a tiny SELECT: authentication, catalog, statement record and result included.

Each round asks POST /sql/execute and then DuckDB in this process for the same scan of the same Iceberg table; what
counts is the difference: `eval "$(icefield env)"; python -m benchmarks.sql_overhead`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import SqlPlatform, in_process_duckdb, percentile, store_of

ROWS = 10
P50_BAR_MS, P95_BAR_MS = 8, 20


def milliseconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def measure(rounds: int) -> list[tuple[float, float]]:
    """Return the milliseconds through the API and in process, one pair a round after ten to warm up."""
    platform = SqlPlatform()
    platform.warm_up()
    database = platform.create_database()
    platform.execute(f"CREATE TABLE {database}.tiny AS SELECT id, concat('name ', id) AS name FROM range({ROWS})")
    peer = in_process_duckdb(store_of(database, "tiny"))
    scan = f"SELECT * FROM iceberg_scan('{platform.metadata_location(database, 'tiny')}')"
    query = f"SELECT * FROM {database}.tiny"
    ours, theirs = platform.execute(query)["rows"], peer.execute(scan).fetchall()
    assert sorted(map(tuple, ours)) == sorted(theirs)
    pairs = [
        (milliseconds(lambda: platform.execute(query)), milliseconds(lambda: peer.execute(scan).fetchall()))
        for _ in range(rounds + 10)
    ]
    return pairs[10:]


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300)
    pairs = measure(arguments.parse_args().rounds)
    overhead = [ours - bare for ours, bare in pairs]
    table = Table(title=f"SELECT of {ROWS} rows, milliseconds (n = {len(pairs)})")
    for column in ("measure", "POST /sql/execute", "in-process DuckDB", "ratio", "overhead", "bar"):
        table.add_column(column)
    for name, share, bar in (("p50", 0.5, P50_BAR_MS), ("p95", 0.95, P95_BAR_MS)):
        ours, bare = (percentile([pair[side] for pair in pairs], share) for side in (0, 1))
        cost = median(overhead) if share == 0.5 else percentile(overhead, share)
        table.add_row(name, f"{ours:.1f}", f"{bare:.1f}", f"{ours / bare:.2f}", f"{cost:.1f}", f"<= {bar}")
    Console().print(table)


if __name__ == "__main__":
    main()

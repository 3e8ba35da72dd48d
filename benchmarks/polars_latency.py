"""How long a Polars workload takes from POST to its result, on a warm sandbox and a tiny table.

Each round asks POST /warehouse/polars and then Polars in this process for the same query of the same Iceberg table.
A round starts when a sandbox is ready: `eval "$(icefield env)"; python -m benchmarks.polars_latency`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.polars_under_test import InProcess, PolarsPlatform
from benchmarks.sql_under_test import percentile

ROWS = 10
POOL = 2
P95_BAR_SECONDS = 1.0
QUERY = "SELECT id, name FROM tiny ORDER BY id"
SAME_IN_PROCESS = "result = pl.SQLContext(tiny=scan(params['table'])).execute(params['query'])"


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(platform: PolarsPlatform, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds through the API and in process, one pair a round after two to warm up."""
    table = f"{platform.create_database()}.tiny"
    rows = f"pl.DataFrame({{'id': range({ROWS}), 'name': [f'name {{n}}' for n in range({ROWS})]}})"
    platform.run_script(f"result = {rows}", destination=table)
    peer = InProcess(table)
    params = {"table": table, "query": QUERY}

    def ours() -> dict[str, Any]:
        return platform.run_workload(mode="query", query=QUERY, tables=[f"tiny={table}"])

    assert [tuple(row) for row in ours()["results"]["rows"]] == peer.run_script(SAME_IN_PROCESS, params).rows()
    pairs = []
    for _ in range(rounds + 2):
        platform.wait_for_warm(1)
        pairs.append((seconds(ours), seconds(lambda: peer.run_script(SAME_IN_PROCESS, params))))
    return pairs[2:]


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=40)
    rounds = arguments.parse_args().rounds
    platform = PolarsPlatform()
    before = platform.pool_size()
    platform.set_pool(POOL)
    try:
        pairs = measure(platform, rounds)
    finally:
        platform.set_pool(before)
    table = Table(title=f"POST to the result of {ROWS} rows, warm sandbox, seconds (n = {len(pairs)})")
    for column in ("measure", "POST /warehouse/polars", "in-process Polars", "ratio", "bar"):
        table.add_column(column)
    for name, share, bar in (("p50", 0.5, ""), ("p95", 0.95, f"<= {P95_BAR_SECONDS}")):
        ours, bare = (percentile([pair[side] for pair in pairs], share) for side in (0, 1))
        table.add_row(name, f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.1f}", bar)
    Console().print(table)


if __name__ == "__main__":
    main()

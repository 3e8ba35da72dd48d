"""Thirty-two statements at once on one warehouse, against one at a time: throughput, latency, failures.

`eval "$(icefield env)"; python -m benchmarks.concurrency`.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import SqlPlatform, percentile

AT_ONCE = 32
ROWS = 100_000


@dataclass(frozen=True)
class Outcome:
    """What some statements took.

    Attributes:
        per_second: statements that ended in a second.
        p50_ms: median milliseconds of one.
        p95_ms: milliseconds that 95 of 100 did not exceed.
        failures: how many did not succeed.
    """

    per_second: float
    p50_ms: float
    p95_ms: float
    failures: int


def measure(platform: SqlPlatform, table: str, at_once: int, statements: int) -> Outcome:
    """Run statements, so many at once, each on another part of a table."""

    def one(number: int) -> tuple[float, bool]:
        started = time.perf_counter()
        try:
            rows = platform.execute(f"SELECT count(*), sum(id) FROM {table} WHERE id % {statements} = {number}")["rows"]
            is_right = rows[0][0] in (ROWS // statements, ROWS // statements + 1)
        except (RuntimeError, httpx.HTTPError):
            is_right = False
        return (time.perf_counter() - started) * 1000, is_right

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        ended = list(pool.map(one, range(statements)))
    took = time.perf_counter() - started
    times = [each for each, _ in ended]
    failures = sum(not is_right for _, is_right in ended)
    return Outcome(statements / took, percentile(times, 0.5), percentile(times, 0.95), failures)


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--statements", type=int, default=640)
    statements = arguments.parse_args().statements
    platform = SqlPlatform()
    platform.warm_up()
    name = f"{platform.create_database()}.numbers"
    platform.execute(f"CREATE TABLE {name} AS SELECT id FROM range({ROWS})")
    measure(platform, name, AT_ONCE, AT_ONCE)
    alone, together = (measure(platform, name, at_once, statements) for at_once in (1, AT_ONCE))
    table = Table(title=f"{statements} statements on one warehouse")
    for column in ("measure", f"{AT_ONCE} at once", "1 at a time", "ratio", "bar"):
        table.add_column(column)
    for label, ours, base in (
        ("statements/s", together.per_second, alone.per_second),
        ("p50 ms", together.p50_ms, alone.p50_ms),
        ("p95 ms", together.p95_ms, alone.p95_ms),
    ):
        table.add_row(label, f"{ours:.1f}", f"{base:.1f}", f"{ours / base:.2f}", "")
    table.add_row("failures", str(together.failures), str(alone.failures), "", "= 0")
    Console().print(table)


if __name__ == "__main__":
    main()

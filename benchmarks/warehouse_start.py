"""How long a stopped warehouse takes to its first read and its first write, images present.

The floor is a bare pod that only prints the time: `eval "$(icefield env)"; python -m benchmarks.warehouse_start`.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import Platform
from benchmarks.run_overhead import start_bare
from benchmarks.sql_under_test import SqlPlatform

WAREHOUSE = "bench-start"
READ_BAR_SECONDS, WRITE_BAR_SECONDS = 10, 25
STOP_SECONDS = 60


def stop(platform: SqlPlatform) -> None:
    """Stop the warehouse and wait until it has stopped."""
    path = f"/sql/warehouses/{platform.warehouse}"
    platform.rest.post(f"{path}/stop").raise_for_status()
    deadline = time.monotonic() + STOP_SECONDS
    while platform.rest.get(path).raise_for_status().json()["status"] != "stopped":
        if time.monotonic() > deadline:
            raise TimeoutError(f"{platform.warehouse} has not stopped after {STOP_SECONDS} s")
        time.sleep(0.1)


def start(platform: SqlPlatform, table: str, number: int) -> tuple[float, float]:
    """Start the stopped warehouse; return the seconds from POST start to the end of its first read and first write."""
    started = time.monotonic()
    platform.rest.post(f"/sql/warehouses/{platform.warehouse}/start").raise_for_status()

    def until_ended(query: str) -> float:
        platform.wait(platform.submit(query))
        return time.monotonic() - started

    with ThreadPoolExecutor(2) as pool:
        read = pool.submit(until_ended, f"SELECT count(*) FROM {table}")
        write = pool.submit(until_ended, f"DELETE FROM {table} WHERE id = {number}")
        return read.result(), write.result()


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    platform = SqlPlatform(WAREHOUSE)
    platform.warm_up()
    table = f"{platform.create_database()}.t"
    platform.execute(f"CREATE TABLE {table} (id BIGINT)")
    pods, found = Platform(), []
    with pods.pod_spec() as spec:
        for number in range(rounds):
            stop(platform)
            found.append((*start(platform, table, number), start_bare(pods, spec)))
    stop(platform)
    bare = median(each[2] for each in found)
    shown = Table(title=f"A stopped warehouse's start, seconds (n = {rounds})")
    for column in ("measure", "median", "worst", "bare pod", "ratio", "bar"):
        shown.add_column(column)
    for side, name, bar in ((0, "to the first read", READ_BAR_SECONDS), (1, "to the first write", WRITE_BAR_SECONDS)):
        took = [each[side] for each in found]
        middle = median(took)
        shown.add_row(name, f"{middle:.1f}", f"{max(took):.1f}", f"{bare:.2f}", f"{middle / bare:.1f}", f"<= {bar}")
    Console().print(shown)


if __name__ == "__main__":
    main()

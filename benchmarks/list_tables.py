"""How long a database's list takes, with its row counts and snapshots, when it has a thousand tables.

Peer: one GET of a single table, in the same run; a list that loaded its tables one by one would cost a thousand
of them. `eval "$(icefield env)"; python -m benchmarks.list_tables`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

BAR_SECONDS = 1.0
COLUMNS = [{"name": f"c{number}", "type": "long", "description": "A column"} for number in range(20)]


def seconds(work: Callable[[], httpx.Response]) -> float:
    """Return how long one call takes; it must succeed."""
    began = time.perf_counter()
    work().raise_for_status()
    return time.perf_counter() - began


def make_tables(rest: httpx.Client, database: str, count: int) -> list[str]:
    """Create so many tables in a new database, and return their names."""
    rest.post("/databases", json={"name": database}).raise_for_status()
    names = [f"t{number:05}" for number in range(count)]

    def make(name: str) -> None:
        rest.post(f"/databases/{database}/tables", json={"name": name, "columns": COLUMNS}).raise_for_status()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, names))
    return names


def drop(rest: httpx.Client, database: str, names: list[str]) -> None:
    """Drop the tables and the database."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: rest.delete(f"/databases/{database}/tables/{name}"), names))
    rest.delete(f"/databases/{database}")


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tables", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=10)
    given = arguments.parse_args()
    database = f"bench_{secrets.token_hex(4)}"
    headers = {"Authorization": f"Bearer {os.environ['POLNOR_TOKEN']}"}
    with httpx.Client(base_url=f"{os.environ['POLNOR_API_URL']}/api/v1", headers=headers, timeout=60) as rest:
        names = make_tables(rest, database, given.tables)
        try:
            listing = f"/databases/{database}/tables"
            assert len(rest.get(listing).json()["data"]) == given.tables
            lists = [seconds(lambda: rest.get(listing)) for _ in range(given.rounds)]
            single = median(seconds(lambda: rest.get(f"{listing}/{names[0]}")) for _ in range(50))
        finally:
            drop(rest, database, names)
    shown = Table(title=f"A list of {given.tables} tables")
    for heading in ("median", "slowest", "one table", "tables x one / list", "bar"):
        shown.add_column(heading, justify="right")
    shown.add_row(
        f"{median(lists):.3f} s",
        f"{max(lists):.3f} s",
        f"{single * 1000:.1f} ms",
        f"{given.tables * single / median(lists):.1f}",
        "met" if max(lists) < BAR_SECONDS else f"missed: {BAR_SECONDS} s",
    )
    Console().print(shown)


if __name__ == "__main__":
    main()

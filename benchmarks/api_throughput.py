"""How many GETs one process of the API server answers on one core, over a workspace of 5,000 jobs.

The mix: three GET /jobs/:id of random jobs, then one GET /jobs?limit=50 of a random page. Floor: GET /healthz of the
same server, in turn with the mix. The server has core 0 to itself; the client and everything else have core 1:
`python -m benchmarks.api_throughput`. On a machine that others use, the figure by CPU time is the one to compare.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.apiserver_under_test import ServerUnderTest, running_server
from benchmarks.http_load import get_all
from benchmarks.sql_under_test import percentile

BAR = 800.0
"""GETs a second."""
CONNECTIONS = 16
LIMIT = 50
API = "/api/v1"


@dataclass
class Measured:
    """The rounds of one kind of request."""

    requests: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    body_bytes: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, server: ServerUnderTest, paths: list[str]) -> None:
        """Measure one round."""
        before = server.cpu_seconds()
        load = asyncio.run(get_all(server.url, server.headers, paths, CONNECTIONS))
        self.cpu_seconds += server.cpu_seconds() - before
        self.requests += len(paths)
        self.seconds += load.seconds
        self.body_bytes += load.body_bytes
        self.milliseconds += load.milliseconds


def create_jobs(server: ServerUnderTest, count: int) -> list[str]:
    """Create jobs of two tasks, wait until REST lists them all, and return the path of each page of 50."""
    tasks = [{"key": "extract", "command": "true"}, {"key": "load", "command": "true", "dependsOn": ["extract"]}]

    def create(number: int) -> None:
        job: dict[str, Any] = {
            "apiVersion": "icefield.dev/v1alpha1",
            "kind": "Job",
            "metadata": {"name": f"job-{number:05}", "namespace": server.namespace},
            "spec": {"tasks": tasks},
        }
        server.plane.client.create(job)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(count)))
    return pages(server)


def pages(server: ServerUnderTest) -> list[str]:
    """Return the path of each page of jobs."""
    paths, cursor = [], ""
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client:
        while True:
            path = f"{API}/jobs?limit={LIMIT}" + (f"&cursor={cursor}" if cursor else "")
            paths.append(path)
            cursor = client.get(path).raise_for_status().json().get("next_cursor", "")
            if not cursor:
                return paths


def job_paths(server: ServerUnderTest, listed: list[str]) -> list[str]:
    """Return the path of each job, by id."""
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client:
        rows = [row for path in listed for row in client.get(path).raise_for_status().json()["data"]]
    return [f"{API}/jobs/{row['id']}" for row in rows]


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1000, help="of each kind in a round")
    given = parser.parse_args()
    choose = random.Random(11)  # noqa: S311 - the same requests each time
    with running_server() as server:
        listed = create_jobs(server, given.jobs)
        single = job_paths(server, listed)
        assert len(single) == given.jobs
        kinds = {
            "mix": lambda: [choose.choice(single if n % 4 else listed) for n in range(given.requests)],
            "GET /jobs/:id": lambda: [choose.choice(single) for _ in range(given.requests)],
            f"GET /jobs?limit={LIMIT}": lambda: [choose.choice(listed) for _ in range(given.requests // 4)],
            "GET /healthz": lambda: ["/healthz"] * given.requests,
        }
        for make in kinds.values():
            Measured().add(server, make()[:200])  # routes are prepared at their first request
        measured = {kind: Measured() for kind in kinds}
        for _ in range(given.rounds):
            for kind, make in kinds.items():
                measured[kind].add(server, make())
    Console().print(table(given.jobs, measured))


def table(jobs: int, measured: dict[str, Measured]) -> Table:
    """Return the table of what was measured."""
    shown = Table(title=f"GETs of one process on one core, {jobs} jobs, {CONNECTIONS} connections")
    for heading in ("requests", "n", "GET/s", "GET/s of CPU time", "CPU ms", "p50 ms", "p99 ms", "bytes", "bar"):
        shown.add_column(heading, justify="right")
    for kind, each in measured.items():
        by_cpu = each.requests / each.cpu_seconds
        bar = ("met" if by_cpu >= BAR else f"missed: {BAR:.0f}") if kind == "mix" else ""
        shown.add_row(
            kind,
            str(each.requests),
            f"{each.requests / each.seconds:.0f}",
            f"{by_cpu:.0f}",
            f"{each.cpu_seconds / each.requests * 1000:.2f}",
            f"{percentile(each.milliseconds, 0.5):.1f}",
            f"{percentile(each.milliseconds, 0.99):.1f}",
            f"{each.body_bytes / each.requests:.0f}",
            bar,
        )
    return shown


if __name__ == "__main__":
    main()

"""Clients that follow logs on one process of the API server: `python -m benchmarks.log_followers`.

It starts all that it needs, as `benchmarks.scale` does: a real kube-apiserver, nodes of KWOK that serve the logs of
simulated pods, Postgres, an object store, operator and API server. Runs print lines one after the other while 0, 1, 100
and 500 clients follow them, in turn: ten clients on each run, or one. Meanwhile `GET /runs/:id` and
`GET /runs?limit=50` are timed. Bar, for the most clients: every line arrives once and in order, 99 of 100 within a
second, and the p99 of both GETs is at most 50 ms. The command fails when a line is missing, doubled or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import httpx
from rich.console import Console
from rich.table import Table
from tests.eventually import eventually

from benchmarks.growing_logs import Follower, GrowingLog, growing
from benchmarks.scale.fake_nodes import HELD_TASK, PodLog
from benchmarks.scale.site import NAMESPACE, Site, running_site
from benchmarks.sql_under_test import percentile
from icefield_crds.names import API_VERSION, pod_name
from icefield_kube.client import KubeClient
from icefield_kube.paths import path_of

NODES = 20
CREATING = 16
START_SECONDS = 1800.0
ARRIVAL_SECONDS = 120.0
"""How long a client may take to receive what was written before, until the benchmark fails."""
ARRIVAL_POLL_SECONDS = 0.05
REST_SECONDS = 2.0
"""Between two measurements: what clients that went away leave is gone by then."""
PROBE_SECONDS = 0.1
LINE_BAR_MS, GET_BAR_MS = 1000.0, 50.0


@dataclass
class Level:
    """What was measured with one number of followers, over all rounds.

    Attributes:
        ready: seconds from the clients' requests until each had all lines that were written before.
        took: milliseconds from the writing of a line to its arrival, of each line and client.
        memory: bytes that are the server's own (USS).
        connections: from the server to kube-apiserver.
        joining: milliseconds of each GET /runs/:id while the clients connect.
        reads: the same while they follow.
        lists: milliseconds of each GET /runs?limit=50 while they follow.
    """

    followers: int
    ready: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    misplaced: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    joining: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)

    @property
    def cpu_share(self) -> float:
        """CPU time of the server in a second."""
        return self.cpu_seconds / self.seconds

    def is_met(self) -> bool:
        """Return whether this level keeps the bar."""
        return (
            not self.misplaced
            and percentile(self.took, 0.99) <= LINE_BAR_MS
            and max(percentile(self.reads, 0.99), percentile(self.lists, 0.99)) <= GET_BAR_MS
        )


class Bench:
    """Clients of a site.

    Args:
        site: the installation.
        logs: by the name of their run.
        seconds: how long each measurement takes.
    """

    def __init__(self, site: Site, logs: dict[str, GrowingLog], seconds: float) -> None:
        self._site = site
        self._logs = logs
        self._seconds = seconds

    async def measure(self, level: Level, clients: int) -> None:
        """Measure one number of followers once.

        Args:
            level: receives the figures.
            clients: how many follow the same run.
        """
        runs = list(self._logs)
        step = max(
            1, len(runs) * clients // max(level.followers, 1)
        )  # logs grow in turn: not those that are neighbours
        chosen = [runs[number // clients * step] for number in range(level.followers)]
        async with self._following(chosen, level) as followers, asyncio.TaskGroup() as group:
            probes = [
                group.create_task(self._probe(f"/runs/{runs[0]}", level.reads)),
                group.create_task(self._probe("/runs?limit=50", level.lists)),
            ]
            for each in followers:
                each.took.clear()
            used, started = self._site.apiserver.cpu_seconds(), time.perf_counter()
            await asyncio.sleep(self._seconds)
            level.cpu_seconds += self._site.apiserver.cpu_seconds() - used
            level.seconds += time.perf_counter() - started
            level.memory.append(self._site.apiserver.process.memory_full_info().uss)
            level.connections.append(self._connections())
            for probe in probes:
                probe.cancel()
            await _arrival(followers)
        level.took += [took * 1000 for each in followers for took in each.took]
        level.misplaced += sum(each.misplaced for each in followers)
        await asyncio.sleep(REST_SECONDS)

    @asynccontextmanager
    async def _following(self, runs: Sequence[str], level: Level) -> AsyncIterator[list[Follower]]:
        """Connect one client to each of these runs, and disconnect them at the end."""
        followers = [Follower(self._logs[run]) for run in runs]
        headers = {"Authorization": f"Bearer {self._site.key}"}
        url, started = f"{self._site.apiserver.url}/api/v1/runs", time.perf_counter()
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), headers=headers
            ) as http,
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(each.follow(http, f"{url}/{run}")) for run, each in zip(runs, followers, strict=True)
            ]
            probe = group.create_task(self._probe(f"/runs/{next(iter(self._logs))}", level.joining))
            await _arrival(followers)
            level.ready.append(time.perf_counter() - started)
            probe.cancel()
            yield followers
            for task in tasks:
                task.cancel()

    async def _probe(self, path: str, took: list[float]) -> None:
        async with self._site.rest() as rest:
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                sent = time.perf_counter()
                (await rest.get(path)).raise_for_status()
                took.append((time.perf_counter() - sent) * 1000)

    def _connections(self) -> int:
        port = httpx.URL(self._site.control_plane.url).port
        open_ = self._site.apiserver.process.net_connections("tcp")
        return sum(1 for each in open_ if each.raddr and each.raddr.port == port and each.status == "ESTABLISHED")


async def _arrival(followers: Sequence[Follower]) -> None:
    """Return once each follower has the lines that were written before this call."""
    wanted = [(each, each.log.written) for each in followers]
    give_up = time.monotonic() + ARRIVAL_SECONDS
    while wanted := [(each, count) for each, count in wanted if each.next_line < count]:
        if time.monotonic() > give_up:
            got = [f"{each.next_line} of {count}" for each, count in wanted[:5]]
            raise TimeoutError(f"{len(wanted)} of {len(followers)} clients miss lines: they have {', '.join(got)}, …")
        await asyncio.sleep(ARRIVAL_POLL_SECONDS)


async def start_runs(site: Site, names: Sequence[str]) -> None:
    """Create runs of one task that prints and does not end, and return once all run."""
    os.environ["KUBECONFIG"] = str(site.control_plane.kubeconfig)
    kubernetes = await KubeClient.connect(60)
    left, tasks = iter(names), [{"key": HELD_TASK, "command": "sleep infinity"}]

    async def create() -> None:
        for name in left:
            metadata = {"name": name, "namespace": NAMESPACE}
            body = {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"tasks": tasks}}
            await kubernetes.call("POST", path_of("Run", NAMESPACE), body=body)

    async def are_running() -> bool:
        runs = (await kubernetes.call("GET", path_of("Run", NAMESPACE)))["items"]
        phases = [run.get("status", {}).get("phase") for run in runs]
        return phases.count("running") == len(names)

    try:
        await asyncio.gather(*(create() for _ in range(CREATING)))
        await eventually(are_running, patience=START_SECONDS)
    finally:
        await kubernetes.close()


async def measure(site: Site, logs: dict[str, GrowingLog], given: argparse.Namespace) -> dict[int, list[Level]]:
    """Return the levels of each mix, by how many clients follow one run; all are measured in turn, several times."""
    await start_runs(site, list(logs))
    mixes = {clients: [Level(count) for count in given.followers] for clients in given.clients}
    bench = Bench(site, logs, given.seconds)
    with growing(list(logs.values()), given.lines_per_second):
        await bench.measure(Level(1), 1)  # routes are prepared at their first request
        for number in range(given.rounds):
            for clients, levels in mixes.items():
                for level in levels:
                    await bench.measure(level, clients)
                    figures = f"{len(level.took)} lines, CPU {level.cpu_share:.2f}, {level.memory[-1] / 1e6:.0f} MB"
                    print(f"round {number}: {clients} on a run, {level.followers} followers: {figures}", flush=True)
    return mixes


def table_of(mixes: dict[int, list[Level]], lines_per_second: float) -> Table:
    """Return the table of what was measured."""
    table = Table(title=f"Followers on one process; each run prints {lines_per_second:g} lines a second")
    for heading in (
        "on a run", "followers", "lines", "misplaced", "ready s", "line p50/p99 ms", "of one: p50/p99", "CPU",
        "CPU ms/line", "MB", "kB each", "connections", "GET run p99 ms: joining", "following", "GET runs", "bar",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for clients, levels in mixes.items():
        for level in levels:
            table.add_row(str(clients), *_row(level, levels))
        table.add_section()
    return table


def _row(level: Level, levels: Sequence[Level]) -> list[str]:
    idle = next((each for each in levels if not each.followers), None)
    one = next((each for each in levels if each.followers == 1), None)
    memory = median(level.memory)
    row = [
        str(level.followers),
        str(len(level.took)),
        str(level.misplaced),
        f"{median(level.ready):.1f}",
        _percentiles(level.took),
        "",
        f"{level.cpu_share:.2f}",
        "",
        f"{memory / 1e6:.0f}",
        "",
        f"{median(level.connections):.0f}",
        f"{percentile(level.joining, 0.99):.0f}" if level.joining else "",
        f"{percentile(level.reads, 0.99):.0f}",
        f"{percentile(level.lists, 0.99):.0f}",
        ("met" if level.is_met() else "missed") if level is levels[-1] else "",
    ]
    if level.took and one:
        row[5] = "/".join(f"{percentile(level.took, s) / percentile(one.took, s):.2f}" for s in (0.5, 0.99))
    if level.took and idle:
        row[7] = f"{(level.cpu_share - idle.cpu_share) * level.seconds / len(level.took) * 1000:.2f}"
        row[9] = f"{(memory - median(idle.memory)) / level.followers / 1000:.0f}"
    return row


def _percentiles(values: Sequence[float]) -> str:
    return "/".join(f"{percentile(values, share):.0f}" for share in (0.5, 0.99)) if values else ""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.log_followers", description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 1], help="that follow the same run")
    parser.add_argument("--followers", type=int, nargs="+", default=[0, 1, 100, 500])
    parser.add_argument("--lines-per-second", type=float, default=1.0, help="of each run")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="icefield-logs-") as name:
        logs = {f"log-{n:03}": GrowingLog(Path(name) / f"{n}" / "0.log") for n in range(given.runs)}
        pods = [PodLog(NAMESPACE, pod_name(run, HELD_TASK, 0), log.file) for run, log in logs.items()]
        with running_site(NODES, pods) as site:
            mixes = asyncio.run(measure(site, logs, given))
    Console(width=200).print(table_of(mixes, given.lines_per_second))
    if any(level.misplaced for levels in mixes.values() for level in levels):
        sys.exit("lines are missing, doubled or out of order")


if __name__ == "__main__":
    main()

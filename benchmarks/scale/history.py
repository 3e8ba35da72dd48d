"""What a long past costs: `python -m benchmarks.scale.history`.

Runs that have ended are made in waves, and the API server's janitor archives what the workspace's retention leaves
over. Then the operator is started again: how long until it answers a new run, and how much memory it takes; and how
large etcd's database is after each wave.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table
from tests.kubernetes_client import RUNS

from benchmarks import past_runs
from icefield_cluster import processes
from icefield_crds.names import API_VERSION
from icefield_kube.client import MERGE_PATCH, KubeClient
from icefield_kube.paths import path_of

from .site import NAMESPACE, Site, running_site

START_BAR_SECONDS, MEMORY_BAR_MB = 20, 300
KEPT = 2000
"""The default of Workspace.spec.retention.runs.count."""
CLIENTS = 16
ARCHIVE_TIMEOUT_SECONDS = 900
START_TIMEOUT_SECONDS = 120
STORAGE_METRIC = "apiserver_storage_size_bytes"


class Wave(NamedTuple):
    """What was seen after a wave of runs."""

    past: int
    """How many runs have ended since the beginning."""
    present: int
    """How many of them are in Kubernetes."""
    archive_seconds: float
    """How long the janitor took to catch up, from the last run of the wave."""
    etcd_mb: float


async def make_past(kubernetes: KubeClient, numbers: range) -> None:
    """Create runs that have ended."""
    left = iter(numbers)

    async def make() -> None:
        for number in left:
            run = past_runs.ended_run(number, NAMESPACE)
            ended = {"completionTime": datetime.now(UTC).isoformat(timespec="seconds")}
            metadata = {"name": run["metadata"]["name"], "namespace": NAMESPACE}
            body = {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": run["spec"]}
            await kubernetes.call("POST", path_of("Run", NAMESPACE), body=body)
            await kubernetes.call(
                "PATCH",
                path_of("Run", NAMESPACE, metadata["name"]) + "/status",
                body={"status": run["status"] | ended},
                content_type=MERGE_PATCH,
            )

    await asyncio.gather(*(make() for _ in range(CLIENTS)))


async def count_runs(kubernetes: KubeClient) -> int:
    """Return how many runs are in Kubernetes."""
    page = await kubernetes.call("GET", path_of("Run", NAMESPACE), query={"limit": "1"})
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


async def wait_for_archive(kubernetes: KubeClient) -> float:
    """Wait until the janitor has caught up, and return how long that took."""
    start = time.monotonic()
    while await count_runs(kubernetes) > KEPT + 1:
        if time.monotonic() > start + ARCHIVE_TIMEOUT_SECONDS:
            raise TimeoutError(f"{await count_runs(kubernetes)} runs are still in Kubernetes")
        await asyncio.sleep(1)
    return time.monotonic() - start


def etcd_megabytes(site: Site) -> float:
    """Return the size of etcd's database, as kube-apiserver reports it."""
    metrics = site.control_plane.kubectl("get", "--raw", "/metrics")
    sizes = [line for line in metrics.splitlines() if line.startswith(STORAGE_METRIC)]
    return max(float(line.rpartition(" ")[2]) for line in sizes) / 1e6


async def make_waves(site: Site, past: int, wave: int) -> list[Wave]:
    """Make a past of that many runs, that many at a time."""
    os.environ["KUBECONFIG"] = str(site.control_plane.kubeconfig)
    kubernetes = await KubeClient.connect(60)
    waves = []
    try:
        for first in range(0, past, wave):
            await make_past(kubernetes, range(first, min(first + wave, past)))
            seconds = await wait_for_archive(kubernetes)
            waves.append(
                Wave(min(first + wave, past), await count_runs(kubernetes), seconds, etcd_megabytes(site)),
            )
            print(waves[-1], flush=True)
    finally:
        await kubernetes.close()
    return waves


def start_operator(site: Site) -> tuple[float, float]:
    """Start the operator again; return after how many seconds it has answered a new run, and its memory in MB."""
    site.operator.process.terminate()
    site.operator.process.wait(30)
    run = {"apiVersion": API_VERSION, "kind": "Run", "metadata": {"name": "newest", "namespace": NAMESPACE}}
    site.kubernetes.create(run | {"spec": {"command": "true"}})
    start = time.monotonic()
    operator = site.start_operator()

    def is_answered() -> bool:
        try:
            return bool(site.kubernetes.get(RUNS, "newest", NAMESPACE).get("status", {}).get("conditions"))
        except httpx.TransportError:
            return False

    processes.wait_until("an answer of the operator", [], is_answered, timeout=START_TIMEOUT_SECONDS)
    return time.monotonic() - start, operator.resident_bytes() / 1e6


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.scale.history", description=__doc__)
    arguments.add_argument("--past", type=int, default=50_000)
    arguments.add_argument("--wave", type=int, default=5_000)
    chosen = arguments.parse_args()
    with running_site(nodes=0) as site:
        waves = asyncio.run(make_waves(site, chosen.past, chosen.wave))
        seconds, megabytes = start_operator(site)
    table = Table(title=f"A past of {chosen.past} runs")
    for heading in ("runs that ended", "in Kubernetes", "archived after s", "etcd MB"):
        table.add_column(heading, justify="right")
    for wave in waves:
        table.add_row(str(wave.past), str(wave.present), f"{wave.archive_seconds:.0f}", f"{wave.etcd_mb:.0f}")
    table.caption = (
        f"operator: answers a new run {seconds:.1f} s after its start (bar {START_BAR_SECONDS}), "
        f"{megabytes:.0f} MB (bar {MEMORY_BAR_MB})"
    )
    Console().print(table)


if __name__ == "__main__":
    main()

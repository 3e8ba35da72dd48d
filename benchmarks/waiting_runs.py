"""What a resync costs the operator while thousands of runs wait for a place in their workspace's quota.

A control plane of its own, and the operator's passes over Jobs and Runs in this process:
`python -m benchmarks.waiting_runs`.
The statuses are written before the clock starts, so what is measured is reading the cluster again and deciding again
that nothing is to be done.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import REGISTRY
from rich.console import Console
from rich.table import Table
from tests.controlplane import ControlPlane, running_control_plane
from tests.eventually import eventually

from icefield_crds.names import API_VERSION, namespace_of
from icefield_kube.client import Manifest
from icefield_operator import lifecycle
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.controllers import Controllers
from icefield_operator.kinds import register_kinds
from icefield_operator.lifecycle import Operator
from icefield_operator.logs.attempt import Attempt
from icefield_operator.platform import Platform
from icefield_operator.settings import Settings

WORKSPACE = "bench"
NAMESPACE = namespace_of(WORKSPACE)
PLACES = 10
SIZES = (1_000, 5_000)
BAR_SECONDS = 3.0
PATIENCE = 900.0
NEVER = 86_400.0


class NoLogs:
    """An archive that is never complete: no run ends here."""

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return that a log is not complete."""
        return False

    def observe_gone(self, attempt: Attempt) -> None:
        """Ignore that a pod is gone."""

    async def abandon(self, workspace: str) -> None:
        """Have nothing to stop."""


@asynccontextmanager
async def running_operator(key: Path) -> AsyncIterator[tuple[Operator, Controllers, Cluster]]:
    """Run the operator's passes over Jobs and Runs, without resyncs of its own."""
    images = {f"{name}_image": name for name in ("runtime", "tini", "warehouse", "polars", "polars_cloud")}
    settings = Settings(**images, run_token_private_key_file=key, health_port=0, resync_seconds=NEVER)
    controllers = Controllers(ClusterCache(), settings.workers)
    cluster = await Cluster.connect(controllers.cache)
    register_kinds(Platform(cluster, controllers, settings, NoLogs()), ["job", "run"])
    operator = Operator(settings, cluster, controllers)
    running = asyncio.create_task(operator.run())
    try:
        yield operator, controllers, cluster
    finally:
        operator.stop()
        await running
        await cluster.close()


async def fill(cluster: Cluster, numbers: range) -> None:
    """Create runs of one job, a few at a time."""
    waiting = iter(numbers)

    async def create() -> None:
        for number in waiting:
            spec = {"jobRef": {"name": "etl"}, "tasks": [{"key": "only", "command": "true"}]}
            await cluster.create(_object("Run", f"etl-{number:05}", spec))

    await asyncio.gather(*(create() for _ in range(8)))


async def settle(controllers: Controllers, expected: int) -> None:
    """Return once every run has its answer and no pass is due."""

    async def is_settled() -> bool:
        cache = controllers.cache
        runs = cache.unfinished_runs(NAMESPACE)
        is_answered = all(run.status and run.status.conditions for run in runs)
        return len(runs) == expected and is_answered and is_idle(controllers)

    await eventually(is_settled, PATIENCE)


def is_idle(controllers: Controllers) -> bool:
    """Return whether no pass is due."""
    return len(controllers.queue) == 0


async def measure(operator: Operator, controllers: Controllers) -> tuple[float, float]:
    """Return the CPU seconds of one resync and how many calls other than reads it made."""
    writes, before = _writes(), time.process_time()
    await operator.resync()

    async def is_done() -> bool:
        return is_idle(controllers)

    await eventually(is_done, PATIENCE)
    return time.process_time() - before, _writes() - writes


async def measure_all(sizes: list[int], rounds: int) -> list[tuple[int, list[tuple[float, float]]]]:
    """Return the measurements for each number of runs."""
    lifecycle.FIRST_RESYNC = NEVER
    with TemporaryDirectory() as folder:
        key = Path(folder) / "key.pem"
        key.write_bytes(_private_key())
        found = []
        async with running_operator(key) as (operator, controllers, cluster):
            await _prepare(cluster)
            present = 0
            for size in sizes:
                await fill(cluster, range(present, size + PLACES))
                present = size + PLACES
                await settle(controllers, present)
                found.append((size, [await measure(operator, controllers) for _ in range(rounds)]))
        return found


async def _prepare(cluster: Cluster) -> None:
    quota = {"quotas": {"maxRunningRuns": PLACES}}
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    await cluster.apply(account)
    for kind, name, spec in (
        ("Workspace", WORKSPACE, quota),
        ("Flavor", "cpu.1", {"cpu": "1", "memory": "1Gi"}),
        ("Job", "etl", {"command": "true"}),
    ):
        await cluster.create(_object(kind, name, spec))


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    namespace = {"namespace": NAMESPACE} if kind in ("Job", "Run") else {}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **namespace}, "spec": spec}


def _writes() -> float:
    sent = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return sum(
        sample.value
        for sample in sent
        if sample.name == "icefield_kubernetes_requests_total" and sample.labels["method"] != "GET"
    )


def _private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _use(plane: ControlPlane) -> None:
    plane.apply_crds()
    os.environ["KUBECONFIG"] = str(plane.kubeconfig)


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with running_control_plane() as plane:
        _use(plane)
        found = asyncio.run(measure_all(sorted(chosen.sizes), chosen.rounds))
    table = Table(title=f"A resync while runs wait; {PLACES} have a place (medians)")
    for column in ("waiting runs", "n", "CPU s", "CPU ms a run", "writes", "bar"):
        table.add_column(column, justify="right")
    for size, rounds in found:
        seconds = median(seconds for seconds, _ in rounds)
        bar = f"<= {BAR_SECONDS} s" if size == SIZES[-1] else ""
        writes = max(writes for _, writes in rounds)
        each = f"{seconds / size * 1e3:.2f}"
        table.add_row(str(size), str(len(rounds)), f"{seconds:.2f}", each, f"{writes:.0f}", bar)
    Console().print(table)


if __name__ == "__main__":
    main()

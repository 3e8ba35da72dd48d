"""Polars workloads on sandboxes that stand ready: what Icefield has to start work without starting a pod."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.eventually import eventually

from icefield_crds import labels
from icefield_kube.paths import path_of

from .cluster import NAMESPACE, PATIENCE_SECONDS, PODS, Cluster
from .contender import Contender
from .shapes import COMMAND, Shape

WORKSPACE = path_of("Workspace", None, NAMESPACE.removeprefix("icefield-"))
SANDBOXES = f"{labels.COMPONENT}={labels.SANDBOX_COMPONENT}"
SCRIPT = f"import subprocess\nsubprocess.run(['{COMMAND}'], check=True)\nresult = pl.DataFrame({{'done': [True]}})"


class IcefieldWarm(Contender):
    """POST /warehouse/polars, whose answer is the end; in a chain, the next one then.

    Args:
        cluster: where Icefield runs.
        pool: how many sandboxes stand ready when a measurement begins, and are wanted while it lasts.
        shapes: what is measured with it.
    """

    def __init__(self, cluster: Cluster, pool: int, shapes: tuple[Shape, ...]) -> None:
        self.name = f"Icefield, warm pool of {pool}"
        self.shapes = shapes
        self._cluster = cluster
        self._pool = pool
        self._run_ids: set[str] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have no pool between measurements, and what it was before afterwards."""
        before = (await self._cluster.kubernetes.call("GET", WORKSPACE))["spec"]["sandboxes"]["warmPool"]["size"]
        await self._set_size(0)
        try:
            yield
        finally:
            await self._set_size(before)

    async def prepare(self, shape: Shape) -> None:
        """Have the pool full; a workspace has none before its first workload."""
        await self._workload()
        await self._set_size(self._pool)
        await eventually(self._is_full, patience=PATIENCE_SECONDS)

    async def run(self, shape: Shape) -> float:
        """Return the seconds from the first POST to the last answer."""
        started = time.monotonic()
        for _ in range(shape.count):
            await self._workload()
        return time.monotonic() - started

    async def clear(self) -> None:
        """Drain the pool, whose pods would start while others are measured, and delete the runs."""
        await self._set_size(0)
        await self._cluster.delete_runs(self._run_ids)
        self._run_ids.clear()
        await self._cluster.wait_until_gone(SANDBOXES)

    async def _workload(self) -> None:
        answer = await self._cluster.rest.post("/warehouse/polars", json={"mode": "script", "script": SCRIPT})
        outcome = answer.raise_for_status().json()
        self._run_ids.add(outcome["run_id"])
        if not outcome["success"]:
            raise RuntimeError(f"{outcome['run_id']}: {outcome['error']}")

    async def _set_size(self, size: int) -> None:
        body = {"spec": {"sandboxes": {"warmPool": {"size": size}}}}
        await self._cluster.kubernetes.call("PATCH", WORKSPACE, body=body, content_type="application/merge-patch+json")

    async def _is_full(self) -> bool:
        pods = (await self._cluster.kubernetes.call("GET", PODS, query={"labelSelector": SANDBOXES}))["items"]
        ready = [
            pod
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and any(
                each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ())
            )
        ]
        return len(ready) == self._pool

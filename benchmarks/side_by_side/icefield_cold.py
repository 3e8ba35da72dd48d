"""Runs of Icefield jobs: a pod for each task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from icefield_crds import Run
from icefield_crds.names import public_id
from icefield_kube.client import Manifest

from .cluster import PATIENCE_SECONDS, RUNS, TASK_PODS, Cluster
from .contender import Contender
from .shapes import COMMAND, SHAPES, Shape

ENDED = ("success", "failed", "cancelled")
HOLDER_PODS = 1


class IcefieldCold(Contender):
    """POST /jobs/:id/run, and a watch on Runs until that one has succeeded.

    Args:
        cluster: where Icefield runs.
    """

    name = "Icefield, cold"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs: dict[Shape, str] = {}
        self._run_id = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have a job of each shape."""
        self._jobs = {shape: await self._cluster.create_job(tasks_of(shape)) for shape in SHAPES}
        try:
            yield
        finally:
            for job in self._jobs.values():
                await self._cluster.delete_job(job)

    async def run(self, shape: Shape) -> float:
        """Return the seconds from POST to the event of the run's success."""
        started = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS), self._cluster.watch(RUNS) as runs:
            self._run_id = await self._cluster.start_run(self._jobs[shape])
            async for run in runs:
                if public_id(Run.ID_PREFIX, run["metadata"]["uid"]) == self._run_id and has_succeeded(run):
                    return time.monotonic() - started
        raise RuntimeError(f"the watch ended before {self._run_id}")

    async def clear(self) -> None:
        """Delete the run, whose pods go with it."""
        await self._cluster.delete_runs({self._run_id})
        await self._cluster.wait_until_gone(TASK_PODS, HOLDER_PODS)


def tasks_of(shape: Shape) -> list[dict[str, Any]]:
    """Return a shape as the tasks of a job."""
    tasks: list[dict[str, Any]] = []
    before: list[str] = []
    for level, width in enumerate(shape.levels):
        keys = [f"t{level}-{number}" for number in range(width)]
        tasks += [{"key": key, "command": COMMAND, "depends_on": before} for key in keys]
        before = keys
    return tasks


def has_succeeded(run: Manifest) -> bool:
    """Return whether a run has succeeded.

    Raises:
        RuntimeError: it ended otherwise.
    """
    status = run.get("status", {})
    if status.get("phase") in ENDED[1:]:
        raise RuntimeError(f"run {run['metadata']['name']} ended {status['phase']}: {status.get('error')}")
    return bool(status.get("phase") == ENDED[0])

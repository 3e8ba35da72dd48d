"""Prefect's Kubernetes worker: a flow run and a Job for each task, a parent script that runs one deployment."""

from __future__ import annotations

import asyncio
import random
from asyncio.subprocess import Process
from contextlib import AsyncExitStack

from benchmarks.side_by_side.cluster import NAMESPACE, PATIENCE_SECONDS, Cluster
from benchmarks.side_by_side.contender import Contender
from benchmarks.side_by_side.shapes import SHAPES, Shape

from .processes import Prefect, ask

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
LABEL = "prefect.io/flow-run-id"
SETTLE_SECONDS = 5


class PrefectWorker(Contender):
    """A worker that is started for each measurement, so that its questions for work disturb no other contender.

    Args:
        cluster: where the worker creates Jobs.
        prefect: the server.
        client: answers lines.
        name: as the table shows it.
        intervals: seconds between two questions of the worker for work, and of run_deployment for the end.
        shapes: what is measured of it.
    """

    def __init__(
        self,
        cluster: Cluster,
        prefect: Prefect,
        client: Process,
        name: str,
        intervals: tuple[float, float],
        shapes: tuple[Shape, ...] = SHAPES,
    ) -> None:
        self.name = name
        self.shapes = shapes
        self._cluster = cluster
        self._prefect = prefect
        self._client = client
        self._query, self._poll = intervals
        self._worker = AsyncExitStack()

    async def prepare(self, shape: Shape) -> None:
        """Start the worker, and wait for some moment between two of its questions."""
        await self._worker.enter_async_context(self._prefect.worker(NAMESPACE, self._query))
        await asyncio.sleep(SETTLE_SECONDS + random.uniform(0, self._query))  # noqa: S311

    async def run(self, shape: Shape) -> float:
        """Return the seconds from the first run_deployment to the return of the last."""
        question = {"levels": shape.levels, "poll": self._poll}
        return await ask(self._client, question, PATIENCE_SECONDS)

    async def clear(self) -> None:
        """Stop the worker, and delete its Jobs."""
        await self._worker.aclose()
        await self._cluster.clear((JOBS,), LABEL)

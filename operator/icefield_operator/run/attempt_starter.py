"""Starts attempts: applies the run's prerequisites once, then creates the pods and reports which were rejected."""

from __future__ import annotations

import asyncio
from datetime import datetime

from icefield_crds import Task
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster, together

from . import build
from .provisioner import AttemptStart, PodProvisioners
from .refusals import NOTHING_REJECTED, Rejections, rejections_of
from .resolve import RunFacts


class AttemptStarter:
    """Starts attempts through the provisioner of their run's type."""

    def __init__(self, cluster: Cluster, provisioners: PodProvisioners) -> None:
        """Create objects in this cluster."""
        self._cluster = cluster
        self._provisioners = provisioners
        self._prepared: set[str] = set()
        """uids of the runs whose prerequisites were applied."""

    async def start(
        self, facts: RunFacts, attempts: list[tuple[Task, int]], deadline: datetime | None, now: datetime
    ) -> Rejections:
        """Create the pods of the attempts that start now, after their prerequisites."""
        execution, workspace = facts.execution, facts.workspace
        if not attempts or execution is None or workspace is None:
            return NOTHING_REJECTED
        try:
            await self._apply_prerequisites(facts, now)
        except KubernetesError as error:
            return rejections_of(attempts, [error] * len(attempts), "what the task's pod needs")
        provisioner = self._provisioners.of(facts.run)
        starts = [
            AttemptStart(facts, execution, workspace, task, attempt, build.deadline_seconds(task, deadline, now), now)
            for task, attempt in attempts
        ]
        answers = await asyncio.gather(*(provisioner.ensure_pod(start) for start in starts), return_exceptions=True)
        return rejections_of(attempts, [answer if isinstance(answer, Exception) else None for answer in answers])

    async def delete_prerequisites(self, facts: RunFacts, now: datetime) -> None:
        """Delete the prerequisites of a run that has ended."""
        run = facts.run
        if run.metadata.uid not in self._prepared:
            return
        named = [
            (item["kind"], item["metadata"]["name"]) for item in self._provisioners.of(run).prerequisites(facts, now)
        ]
        await together(*(self._cluster.delete(kind, run.metadata.namespace, name) for kind, name in named))
        self._prepared.discard(run.metadata.uid)

    async def _apply_prerequisites(self, facts: RunFacts, now: datetime) -> None:
        """Apply the prerequisites of a run, once per process."""
        run = facts.run
        if run.metadata.uid in self._prepared:
            return
        if prerequisites := self._provisioners.of(run).prerequisites(facts, now):
            await together(*(self._cluster.apply(manifest) for manifest in prerequisites))
            self._prepared.add(run.metadata.uid)

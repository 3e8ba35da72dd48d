"""Starts attempts: creates the run's prerequisites once, then the pods, and reports which were rejected."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from icefield_crds import Run, Task
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster, together

from . import build
from .leftovers import Leftovers
from .provisioner import AttemptStart, PodProvisioners
from .refusals import NOTHING_REJECTED, Rejections, rejections_of
from .resolve import RunFacts


class _Prepared(NamedTuple):
    """A run whose prerequisites exist, and of which kinds they are."""

    uid: str
    kinds: frozenset[str]


class AttemptStarter:
    """Starts attempts through the provisioner of their run's type."""

    def __init__(self, cluster: Cluster, provisioners: PodProvisioners, leftovers: Leftovers) -> None:
        """Create objects in this cluster; `leftovers` deletes them when their run has ended."""
        self._cluster = cluster
        self._provisioners = provisioners
        self._leftovers = leftovers
        self._prepared: dict[tuple[str, str], _Prepared] = {}
        """The runs whose prerequisites were created by this process, by namespace and name."""

    async def start(
        self, facts: RunFacts, attempts: list[tuple[Task, int]], deadline: datetime | None, now: datetime
    ) -> Rejections:
        """Create the pods of the attempts that start now, after their prerequisites."""
        execution, workspace = facts.execution, facts.workspace
        if not attempts or execution is None or workspace is None:
            return NOTHING_REJECTED
        try:
            await self._create_prerequisites(facts, now)
        except KubernetesError as error:
            return rejections_of(attempts, [error] * len(attempts), "what the task's pod needs")
        provisioner = self._provisioners.of(facts.run)
        starts = [
            AttemptStart(facts, execution, workspace, task, attempt, build.deadline_seconds(task, deadline, now), now)
            for task, attempt in attempts
        ]
        answers = await asyncio.gather(*(provisioner.ensure_pod(start) for start in starts), return_exceptions=True)
        return rejections_of(attempts, [answer if isinstance(answer, Exception) else None for answer in answers])

    def discard(self, run: Run) -> None:
        """Have the prerequisites of a run deleted that has ended."""
        prepared = self.forget(run.metadata.namespace or "", run.metadata.name)
        if prepared is None or prepared.uid != run.metadata.uid:
            self._leftovers.add(run)
        else:
            self._leftovers.add(run, prepared.kinds)

    def forget(self, namespace: str, name: str) -> _Prepared | None:
        """Forget a run that was deleted; what it owns is deleted with it."""
        return self._prepared.pop((namespace, name), None)

    async def _create_prerequisites(self, facts: RunFacts, now: datetime) -> None:
        """Create the prerequisites of a run, once per process."""
        metadata = facts.run.metadata
        key = metadata.namespace or "", metadata.name
        if (prepared := self._prepared.get(key)) and prepared.uid == metadata.uid:
            return
        prerequisites = self._provisioners.of(facts.run).prerequisites(facts, now)
        await together(*(self._cluster.create_or_adopt(manifest) for manifest in prerequisites))
        self._prepared[key] = _Prepared(metadata.uid, frozenset(manifest["kind"] for manifest in prerequisites))

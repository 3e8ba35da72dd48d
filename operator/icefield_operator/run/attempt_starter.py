"""Starts attempts: creates the run's prerequisites once, then the pods, and reports which were rejected."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import NamedTuple

from icefield_crds import Run, Task, names
from icefield_kube.client import Manifest
from icefield_kube.errors import AlreadyExists, KubernetesError
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import Kind

from . import build
from .leftovers import Leftovers
from .provisioner import AttemptStart, PodProvisioners
from .refusals import NOTHING_REJECTED, Rejections, rejections_of
from .resolve import RunFacts

log = logging.getLogger(__name__)


class _Prepared(NamedTuple):
    """A run whose prerequisites were to be created, of which kinds they are, and whether all of them exist."""

    uid: str
    kinds: frozenset[str]
    exist: bool
    is_resumed: bool
    """Whether another process began to start it, and it is not known yet what of that is lost."""


class AttemptStarter:
    """Starts attempts through the provisioner of their run's type."""

    def __init__(self, cluster: Cluster, provisioners: PodProvisioners, leftovers: Leftovers) -> None:
        """Create objects in this cluster; `leftovers` deletes them when their run has ended."""
        self._cluster = cluster
        self._provisioners = provisioners
        self._leftovers = leftovers
        self._prepared: dict[tuple[str, str], _Prepared] = {}
        """The runs whose prerequisites this process began to create, by namespace and name."""

    async def start(
        self, facts: RunFacts, attempts: list[tuple[Task, int]], deadline: datetime | None, now: datetime
    ) -> Rejections:
        """Create the pods of the attempts that start now, after their prerequisites."""
        execution, workspace = facts.execution, facts.workspace
        if not attempts or execution is None or workspace is None:
            return NOTHING_REJECTED
        is_recorded = facts.run.status is not None and bool(facts.run.status.attempts)
        try:
            prepared = await self._create_prerequisites(facts, now)
            lost = await self._find_lost(facts, attempts) if prepared.is_resumed and not is_recorded else []
        except KubernetesError as error:
            return rejections_of(attempts, [error] * len(attempts), "what the task's pod needs")
        metadata = facts.run.metadata
        self._prepared[metadata.namespace or "", metadata.name] = prepared._replace(is_resumed=False)
        attempts = [each for each in attempts if each not in lost]
        provisioner = self._provisioners.of(facts.run)
        starts = [
            AttemptStart(facts, execution, workspace, task, attempt, build.deadline_seconds(task, deadline, now), now)
            for task, attempt in attempts
        ]
        answers = await asyncio.gather(*(provisioner.ensure_pod(start) for start in starts), return_exceptions=True)
        rejected = rejections_of(attempts, [answer if isinstance(answer, Exception) else None for answer in answers])
        if answers and all(map(_is_refusal, answers)) and not (lost or is_recorded):
            await self._withdraw(facts, now)
        return rejected._replace(lost=[(task.key, number) for task, number in lost])

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

    async def _find_lost(self, facts: RunFacts, attempts: list[tuple[Task, int]]) -> list[tuple[Task, int]]:
        """Return the attempts without a pod, of a run that another process began to start and recorded no attempt of.

        Each may have had one, which was deleted since: to create it again might run the attempt twice. Only of tasks
        that begin with the run: what starts when another has ended is recorded at once (unwritten.py).
        """
        metadata = facts.run.metadata
        attempts = [(task, number) for task, number in attempts if number == 0 and not task.depends_on]
        pods = [names.pod_name(metadata.name, task.key, number) for task, number in attempts]
        found = await together(*(self._cluster.get(Kind.POD, metadata.namespace, pod) for pod in pods))
        return [attempt for attempt, pod in zip(attempts, found, strict=True) if pod is None]

    async def _create_prerequisites(self, facts: RunFacts, now: datetime) -> _Prepared:
        """Create the prerequisites of a run, once per process."""
        metadata = facts.run.metadata
        key = metadata.namespace or "", metadata.name
        known = self._prepared.get(key)
        is_first = known is None or known.uid != metadata.uid
        if known and not is_first and known.exist:
            return known
        prerequisites = self._provisioners.of(facts.run).prerequisites(facts, now)
        kinds = frozenset(manifest["kind"] for manifest in prerequisites)
        is_resumed = known is not None and not is_first and known.is_resumed
        self._prepared[key] = _Prepared(metadata.uid, kinds, exist=False, is_resumed=is_resumed)
        are_new = await asyncio.gather(*(self._create(manifest) for manifest in prerequisites), return_exceptions=True)
        # One that exists at the second try may be of the first, which was not answered.
        begun = _Prepared(metadata.uid, kinds, exist=False, is_resumed=is_resumed or (is_first and False in are_new))
        self._prepared[key] = begun
        for answer in are_new:
            if isinstance(answer, BaseException):
                raise answer
        self._prepared[key] = begun._replace(exist=True)
        return self._prepared[key]

    async def _withdraw(self, facts: RunFacts, now: datetime) -> None:
        """Delete the prerequisites of a run of which nothing was started: they would tell that something was."""
        metadata = facts.run.metadata
        made = self._provisioners.of(facts.run).prerequisites(facts, now)
        try:
            await together(
                *(self._cluster.delete(each["kind"], metadata.namespace, each["metadata"]["name"]) for each in made)
            )
        except KubernetesError as error:
            log.info("What run %s/%s needs is kept: %s", metadata.namespace, metadata.name, error)
        else:
            self.forget(metadata.namespace or "", metadata.name)

    async def _create(self, manifest: Manifest) -> bool:
        """Create an object unless it exists; return whether it did not."""
        try:
            await self._cluster.create(manifest)
        except AlreadyExists:
            await self._cluster.create_or_adopt(manifest)
            return False
        return True


def _is_refusal(answer: object) -> bool:
    return isinstance(answer, KubernetesError) and answer.is_refusal

"""Starts attempts: applies the run's prerequisites once, then creates the pods and reports which were rejected."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from icefield_crds import AttemptStatus, Reason, Run, Task, TaskPhase, names
from icefield_kube.client import Manifest
from icefield_kube.errors import Forbidden, Invalid, KubernetesError
from icefield_operator.cluster import Cluster, together

from . import build
from .provisioner import AttemptStart, PodProvisioners
from .resolve import RunFacts
from .validate import RunProblem


class Rejections(NamedTuple):
    """Attempts whose pod the API server rejected."""

    permanent: dict[tuple[str, int], str]
    temporary: str | None

    def as_problem(self) -> RunProblem | None:
        """Return what the run waits for."""
        return RunProblem(Reason.PENDING, self.temporary, final=False) if self.temporary else None

    def as_attempts(self, run: Run, now: datetime) -> list[tuple[str, AttemptStatus]]:
        """Return (task key, attempt) of each that never got a pod."""
        return [
            (
                key,
                AttemptStatus(
                    attempt=number,
                    pod_name=names.pod_name(run.metadata.name, key, number),
                    status=TaskPhase.FAILED,
                    completion_time=now,
                    error=error,
                    logs_archived=True,
                ),
            )
            for (key, number), error in self.permanent.items()
        ]


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
            return Rejections({}, None)
        await self._apply_prerequisites(facts, now)
        provisioner = self._provisioners.of(facts.run)
        starts = [
            AttemptStart(facts, execution, workspace, task, attempt, build.deadline_seconds(task, deadline, now), now)
            for task, attempt in attempts
        ]
        answers = await asyncio.gather(*(provisioner.ensure_pod(start) for start in starts), return_exceptions=True)
        return _sort_answers(attempts, answers)

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


def _sort_answers(attempts: list[tuple[Task, int]], answers: list[Manifest | BaseException]) -> Rejections:
    permanent: dict[tuple[str, int], str] = {}
    temporary = None
    for (task, attempt), answer in zip(attempts, answers, strict=True):
        if isinstance(answer, Invalid) or (isinstance(answer, KubernetesError) and answer.status == 400):
            permanent[task.key, attempt] = f"Kubernetes refused the task's pod: {answer}"[:1000]
        elif isinstance(answer, Forbidden):
            temporary = f"task {task.key} may not start: {answer}"[:1000]
        elif isinstance(answer, BaseException):
            raise answer
    return Rejections(permanent, temporary)

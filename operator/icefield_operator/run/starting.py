"""Starts attempts: has what the run needs made once, then the pods, and sorts out whose the API server did not take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from icefield_crds import AttemptStatus, Reason, Run, Task, TaskPhase, names
from icefield_operator.cluster import Cluster, together
from icefield_operator.errors import Forbidden, Invalid, KubernetesError
from icefield_operator.world import Manifest

from . import build
from .maker import Maker, Start
from .resolve import Facts
from .validate import Problem
from .work import Work, work_of


class Refusals(NamedTuple):
    """Attempts whose pod the API server did not take."""

    for_good: dict[tuple[str, int], str]
    for_now: str | None

    def as_problem(self) -> Problem | None:
        """Return what the run waits for."""
        return Problem(Reason.PENDING, self.for_now, final=False) if self.for_now else None

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
            for (key, number), error in self.for_good.items()
        ]


class Starter:
    """Asks the makers for what starting attempts takes."""

    def __init__(self, cluster: Cluster, makers: Mapping[Work, Maker]) -> None:
        """Make one with a maker for each sort of work."""
        self._cluster = cluster
        self._makers = makers
        self._furnished: set[str] = set()
        """uids of the runs whose furniture is there."""

    def maker_of(self, run: Run) -> Maker:
        """Return who makes the pods of a run."""
        return self._makers[work_of(run)]

    def note_gone(self, namespace: str, name: str) -> None:
        """Tell every maker that there is no Run of this name any more."""
        for maker in self._makers.values():
            maker.note_gone(namespace, name)

    async def start(
        self, facts: Facts, attempts: list[tuple[Task, int]], deadline: datetime | None, now: datetime
    ) -> Refusals:
        """Have the pods of the attempts that start now, after what they need is there."""
        execution, workspace = facts.execution, facts.workspace
        if not attempts or execution is None or workspace is None:
            return Refusals({}, None)
        await self._furnish(facts, now)
        maker = self.maker_of(facts.run)
        starts = [
            Start(facts, execution, workspace, task, attempt, build.deadline_seconds(task, deadline, now), now)
            for task, attempt in attempts
        ]
        answers = await asyncio.gather(*(maker.start(start) for start in starts), return_exceptions=True)
        return _sorted_out(attempts, answers)

    async def clear(self, facts: Facts, now: datetime) -> None:
        """Delete the furniture of a run that ended."""
        run = facts.run
        if run.metadata.uid not in self._furnished:
            return
        named = [(item["kind"], item["metadata"]["name"]) for item in self.maker_of(run).furniture(facts, now)]
        await together(*(self._cluster.delete(kind, run.metadata.namespace, name) for kind, name in named))
        self._furnished.discard(run.metadata.uid)

    async def _furnish(self, facts: Facts, now: datetime) -> None:
        """Make what a run needs before its pods, once in the life of this process."""
        run = facts.run
        if run.metadata.uid in self._furnished:
            return
        if furniture := self.maker_of(run).furniture(facts, now):
            await together(*(self._cluster.apply(manifest) for manifest in furniture))
            self._furnished.add(run.metadata.uid)


def _sorted_out(attempts: list[tuple[Task, int]], answers: list[Manifest | BaseException]) -> Refusals:
    for_good: dict[tuple[str, int], str] = {}
    for_now = None
    for (task, attempt), answer in zip(attempts, answers, strict=True):
        if isinstance(answer, Invalid) or (isinstance(answer, KubernetesError) and answer.status == 400):
            for_good[task.key, attempt] = f"Kubernetes refused the task's pod: {answer}"[:1000]
        elif isinstance(answer, Forbidden):
            for_now = f"task {task.key} may not start: {answer}"[:1000]
        elif isinstance(answer, BaseException):
            raise answer
    return Refusals(for_good, for_now)

"""The Kubernetes Events of a Run: what its tasks wait for, and why they failed, as its status has it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from icefield_crds import ConditionType, Reason, Run, RunStatus, TaskPhase, names
from icefield_kube.errors import AlreadyExists, KubernetesError
from icefield_operator import events
from icefield_operator.cluster import Cluster, together

log = logging.getLogger(__name__)

MAX_AT_ONCE = 10
"""Of one status that is written: a DAG of a hundred tasks may fail at once, and the status tells all of it."""

_NOT_REPORTED = frozenset({Reason.QUOTA_EXCEEDED, Reason.CANCELLED, Reason.REPLACED})


class Occurrence(NamedTuple):
    """What an Event tells."""

    reason: str
    message: str


def occurrences(before: RunStatus | None, after: RunStatus) -> Iterator[Occurrence]:
    """Yield what a status tells that the one before did not: why the run, or a task, waits or failed.

    A run that waits for its turn is none: the condition Admitted says so, and there may be thousands.
    """
    told = {task.key: (task.status, task.error) for task in before.tasks} if before else {}
    for task in after.tasks:
        if task.error is None or told.get(task.key) == (task.status, task.error):
            continue
        if task.status is TaskPhase.FAILED:
            yield Occurrence(Reason.TASK_FAILED, f"task {task.key}: {task.error}")
        elif task.status is TaskPhase.PENDING:
            yield Occurrence(Reason.TASK_WAITING, f"task {task.key}: {task.error}")
    if any(task.error for task in after.tasks) or after.error is None or (before and before.error == after.error):
        return
    ready = after.condition(ConditionType.READY)
    if ready is not None and ready.reason not in _NOT_REPORTED:
        yield Occurrence(ready.reason, after.error)


class RunEvents:
    """Creates the Events of runs.

    Args:
        cluster: where.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def report(self, run: Run, before: RunStatus | None, after: RunStatus, now: datetime) -> None:
        """Report what a status tells that the one before did not; the status itself must not wait for it."""
        found = list(occurrences(before, after))[:MAX_AT_ONCE]
        await together(*(self._create(run, each, now) for each in found))

    async def _create(self, run: Run, what: Occurrence, now: datetime) -> None:
        name = names.run_event(run.metadata.uid, f"{what.reason} {what.message}")
        try:
            await self._cluster.create(events.warning(run, name, what.reason, what.message, now))
        except AlreadyExists:
            return
        except KubernetesError as error:
            log.info("An Event of run %s/%s cannot be created: %s", run.metadata.namespace, run.metadata.name, error)

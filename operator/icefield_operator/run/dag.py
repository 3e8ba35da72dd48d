"""Pure: from the tasks and the status of their attempts to what starts now, what ends now, and the phase of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from icefield_crds import AttemptStatus, RunPhase, Task, TaskPhase
from icefield_crds.dag import in_order
from icefield_crds.execution import DEFAULT_DISRUPTION_RETRIES, MAX_ATTEMPTS

FIRST_RETRY_DELAY = timedelta(seconds=10)
LAST_RETRY_DELAY = timedelta(seconds=300)

Attempts = Mapping[str, Sequence[AttemptStatus]]
"""The attempts of each task, oldest first, by task key; a task without any may be missing."""


class Stop(StrEnum):
    """Why a run must end before its tasks have."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Decision:
    """What to start and end now, and the phases as observed."""

    phase: RunPhase
    tasks: dict[str, TaskPhase]
    start: list[tuple[Task, int]] = field(default_factory=list)
    """(task, number of the attempt) of each attempt that starts now."""
    end: list[AttemptStatus] = field(default_factory=list)
    """Attempts to end."""
    next_deadline: datetime | None = None
    """When the next retry is due."""


def decide(
    tasks: Sequence[Task],
    attempts: Attempts,
    *,
    now: datetime,
    stop: Stop | None = None,
    settled: Mapping[str, TaskPhase] | None = None,
) -> Decision:
    """Return what to start and end for a run.

    Args:
        tasks: the DAG, acyclic, every dependency known, max_retries filled in.
        attempts: the attempts so far.
        now: the present.
        stop: why nothing more may start, if so.
        settled: phases of tasks as last recorded; one that had ended without an attempt stays so.
    """
    phases: dict[str, TaskPhase] = {}
    start: list[tuple[Task, int]] = []
    due: list[datetime] = []
    for task in in_order(tasks):
        tried = attempts.get(task.key, ())
        before = (settled or {}).get(task.key, TaskPhase.PENDING)
        phases[task.key] = _phase_of(task, tried, phases, stop) if tried or not before.is_terminal else before
        if phases[task.key] is TaskPhase.PENDING and stop is None:
            start_time = _next_start(task, tried, phases)
            if start_time is not None and start_time <= now:
                start.append((task, len(tried)))
            elif start_time is not None:
                due.append(start_time)
    live = [attempt for tried in attempts.values() for attempt in tried if not attempt.status.is_terminal]
    return Decision(
        phase=_run_phase(phases, attempts, stop),
        tasks={task.key: phases[task.key] for task in tasks},
        start=start,
        end=live if stop else [],
        next_deadline=min(due, default=None),
    )


def retry_delay(failures: int) -> timedelta:
    """Return how long to wait after so many failed or disrupted attempts (from 1): 10 s, 20 s, 40 s … up to 300 s."""
    doublings = min(failures - 1, 10)
    return min(FIRST_RETRY_DELAY * (1 << doublings), LAST_RETRY_DELAY)


def _phase_of(
    task: Task, tried: Sequence[AttemptStatus], upstream: Mapping[str, TaskPhase], stop: Stop | None
) -> TaskPhase:
    if not tried:
        if any(upstream[d] in (TaskPhase.FAILED, TaskPhase.SKIPPED) for d in task.depends_on):
            return TaskPhase.SKIPPED
        return TaskPhase.CANCELLED if stop else TaskPhase.PENDING
    last = tried[-1]
    if last.status is TaskPhase.FAILED and not stop and _may_retry(task, tried):
        return TaskPhase.PENDING
    return last.status


def _may_retry(task: Task, tried: Sequence[AttemptStatus]) -> bool:
    if len(tried) >= MAX_ATTEMPTS:
        return False
    disruptions = [attempt for attempt in tried if attempt.disrupted]
    if tried[-1].disrupted:
        limit = DEFAULT_DISRUPTION_RETRIES if task.max_disruption_retries is None else task.max_disruption_retries
        # One that never was seen to have a pod was lost by an operator that ended, which happens to all tasks alike.
        return limit > 0 and sum(attempt.pod_uid is not None for attempt in disruptions) <= limit
    return len(tried) - len(disruptions) <= (task.max_retries or 0)


def _next_start(task: Task, tried: Sequence[AttemptStatus], phases: Mapping[str, TaskPhase]) -> datetime | None:
    """Return from when the next attempt may run; None when something else must happen first."""
    if not tried:
        ready = all(phases[d] is TaskPhase.SUCCESS for d in task.depends_on)
        return _EPOCH if ready else None
    last = tried[-1]
    if last.status is not TaskPhase.FAILED:
        return None
    same_kind = sum(attempt.disrupted == last.disrupted for attempt in tried)
    if last.disrupted and last.start_time is None:
        # Nothing was lost: it starts elsewhere at once. A second time in a row the cluster is given time to recover.
        in_a_row = len(list(takewhile(lambda attempt: attempt.disrupted and attempt.start_time is None, tried[::-1])))
        same_kind = in_a_row - 1
    return (last.completion_time or _EPOCH) + (retry_delay(same_kind) if same_kind else timedelta(0))


def _run_phase(phases: Mapping[str, TaskPhase], attempts: Attempts, stop: Stop | None) -> RunPhase:
    if all(phase.is_terminal for phase in phases.values()):
        if phases and all(phase is TaskPhase.SUCCESS for phase in phases.values()):
            return RunPhase.SUCCESS
        return RunPhase.CANCELLED if stop is Stop.CANCELLED else RunPhase.FAILED
    started = any(attempt.status is not TaskPhase.PENDING for tried in attempts.values() for attempt in tried)
    return RunPhase.RUNNING if started else RunPhase.PENDING


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

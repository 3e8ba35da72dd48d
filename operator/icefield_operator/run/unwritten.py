"""Statuses of runs that are not written yet: what only reports progress waits for a moment, so that more comes with it.

A burst of runs would otherwise write each step of each run. What must survive this process is written at once: that an
attempt starts, before its pod is created (nothing is started twice), and how a run ended. That a run was started at
all is shown by its Secret, which is created before its first pod; so a run whose first pods only wait is recorded when
there is time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from icefield_crds import Run, RunStatus

PROGRESS_WRITES_A_SECOND = 20
"""Of all runs that live together; the fewer they are, the sooner each is written."""
LONGEST_DELAY = timedelta(seconds=30)
"""Reached where six hundred runs live: a lone run is written within 50 ms."""
LONGEST_DELAY_OF_ERROR = timedelta(seconds=10)
"""For what a run waits for, or suffers from."""


class _Kept(NamedTuple):
    uid: str
    status: str
    """As JSON, which takes a tenth of the memory of its model."""
    due: datetime


class Unwritten:
    """The newest status of each run whose written one is older."""

    def __init__(self) -> None:
        """Keep nothing."""
        self._kept: dict[tuple[str, str], _Kept] = {}

    def on(self, run: Run) -> Run:
        """Return a run with its newest status."""
        kept = self._of(run)
        return run.model_copy(update={"status": RunStatus.model_validate_json(kept.status)}) if kept else run

    def due(self, run: Run) -> datetime | None:
        """Return when the newest status of a run is to be written; None when it is written."""
        kept = self._of(run)
        return kept.due if kept else None

    def keep(self, run: Run, status: RunStatus, due: datetime) -> None:
        """Keep the newest status of a run, to be written at this time."""
        self._kept[_key(run)] = _Kept(run.metadata.uid, status.model_dump_json(exclude_none=True), due)

    def all(self) -> list[tuple[str, str]]:
        """Return (namespace, name) of every run whose written status is older."""
        return list(self._kept)

    def forget(self, namespace: str, name: str) -> None:
        """Forget the status of a run: it is written, or the run was deleted."""
        self._kept.pop((namespace, name), None)

    def _of(self, run: Run) -> _Kept | None:
        kept = self._kept.get(_key(run))
        return kept if kept and kept.uid == run.metadata.uid else None


class Background:
    """When to write what nobody waits for: the more such writes there are, the later each is made."""

    def __init__(self, writes_a_second: float) -> None:
        """Make at most so many writes a second."""
        self._pause = timedelta(seconds=1 / writes_a_second)
        self._due: dict[tuple[str, str], datetime] = {}

    def due(self, run: Run, now: datetime, latest: datetime) -> datetime:
        """Return when to write something of a run, which is always the same until `forget`."""
        key = _key(run)
        if key not in self._due:
            self._due[key] = now + self._pause * (len(self._due) + 1)
        return min(self._due[key], latest)

    def forget(self, namespace: str, name: str) -> None:
        """Forget a run: it is written, or the run was deleted."""
        self._due.pop((namespace, name), None)


def must_precede_pods(written: RunStatus | None, newest: RunStatus) -> bool:
    """Return whether attempts of the newest status have to be recorded before their pods are created.

    A pod that is deleted while no operator runs leaves no trace, and the attempt would be started again under the same
    number. That the first attempts of a run start is shown by its Secret, as long as nothing else is recorded of it.
    """
    return bool(_attempts(newest) - _attempts(written)) and (written is not None or not _is_first_start(newest))


def delay(written: RunStatus | None, newest: RunStatus, living_runs: int) -> timedelta:
    """Return how long the newest status of a run may wait to be written.

    Args:
        written: its written status.
        newest: its newest status.
        living_runs: how many runs have not ended.
    """
    is_urgent = _is_more_than_progress(written, newest) or must_precede_pods(written, newest)
    # What was recorded to start and was refused would be taken for lost.
    is_urgent |= bool(_attempts(written) - _attempts(newest))
    if newest.phase.is_terminal or is_urgent:
        return timedelta(0)
    fair = timedelta(seconds=living_runs / PROGRESS_WRITES_A_SECOND)
    tells_error = newest.error is not None and (written is None or newest.error != written.error)
    return min(fair, LONGEST_DELAY_OF_ERROR if tells_error else LONGEST_DELAY)


def _attempts(status: RunStatus | None) -> set[tuple[str, int]]:
    return {(task.key, attempt.attempt) for task in status.tasks for attempt in task.attempts} if status else set()


def _is_first_start(status: RunStatus) -> bool:
    """Return whether nothing but first attempts were started, which the run's Secret shows too (attempt_starter.py)."""
    return all(attempt.attempt == 0 and not attempt.status.is_terminal for attempt in status.attempts)


def _is_more_than_progress(written: RunStatus | None, newest: RunStatus) -> bool:
    before = written or RunStatus()
    return newest.snapshot != before.snapshot or newest.polars != before.polars


def _key(run: Run) -> tuple[str, str]:
    return run.metadata.namespace or "", run.metadata.name

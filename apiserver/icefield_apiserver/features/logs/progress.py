"""How far a run, a task, and an attempt of it have come, as the run's status shows."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager

from icefield_apiserver.features.runs.service import RunService
from icefield_crds import AttemptStatus, Run, TaskStatus


def tasks_of(run: Run, key: str | None) -> list[TaskStatus]:
    """Return the status of one task, or of all with None; none before the run was reconciled."""
    return [task for task in (run.status.tasks if run.status else ()) if key in (None, task.key)]


def is_over(run: Run | None, key: str | None) -> bool:
    """Return whether a task, or the run with None, has ended.

    Args:
        run: its newest version; None when it was deleted.
        key: key of a task.
    """
    if run is None or run.phase.is_terminal:
        return True
    return key is not None and any(task.status.is_terminal for task in tasks_of(run, key))


class Progress:
    """What is known of one attempt.

    Args:
        runs: finds the newest version of the run.
        run: the run.
        task: key of the task.
        attempt: number of the attempt, from 0.
    """

    def __init__(self, runs: RunService, run: Run, task: str, attempt: int) -> None:
        self._runs = runs
        self._run = run
        self._task = task
        self._attempt = attempt

    def listening(self) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set whenever the run changes; clear it yourself."""
        return self._runs.listening(self._run)

    def has_ended(self) -> bool:
        """Return whether the attempt's process is known to have ended."""
        run = self._runs.latest(self._run)
        return is_over(run, None) or any(attempt.status.is_terminal for attempt in self._attempts(run))

    def is_archived(self) -> bool:
        """Return whether all that can be archived of the log is known to be archived."""
        return any(attempt.logs_archived for attempt in self._attempts(self._runs.latest(self._run)))

    def _attempts(self, run: Run | None) -> list[AttemptStatus]:
        tasks = tasks_of(run or self._run, self._task)
        return [attempt for task in tasks for attempt in task.attempts if attempt.attempt == self._attempt]

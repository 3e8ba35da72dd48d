"""The logs of a run: of one task or of all, read once or followed, complete or the last lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from icefield_apiserver.core.errors import NotFound
from icefield_crds import Run, TaskStatus, format_time
from icefield_crds.names import SINGLE_COMMAND_KEY
from icefield_crds.run import logs_complete

from .archive import Archive
from .attempt import AttemptLog
from .entry import Entry
from .merge import OrderedLog, interleaved, latest, merged
from .pod import PodLogs

POLL_SECONDS = 0.3
BUFFERED_LINES = 1000

Now = Callable[[], Run | None]
"""Returns the newest known version of the run; None when it was deleted."""


class LogService:
    """Reads logs of runs that the caller may see.

    Args:
        archive: the archive.
        pods: the pods' logs.
    """

    def __init__(self, archive: Archive, pods: PodLogs) -> None:
        self._archive = archive
        self._pods = pods

    async def read(self, run: Run, now: Now, task: str | None, tail: int | None) -> AsyncIterator[Entry]:
        """Yield the lines written so far, by time.

        Args:
            run: the run.
            now: returns the newest known version of the run.
            task: key of a task; None for all.
            tail: only this many of the last lines; None for all.
        """
        attempts = [
            (format_time(attempt.start_time) if attempt.start_time else "", task_.key, attempt.attempt)
            for task_ in _tasks(run, task)
            for attempt in task_.attempts
        ]
        if tail is not None:
            logs = [partial(self._attempt(run, now, key, number).entries, tail=tail) for _, key, number in attempts]
            for entry in await latest(logs, tail):
                yield entry
            return
        sources = [OrderedLog(start, self._attempt(run, now, key, number).entries) for start, key, number in attempts]
        async for entry in merged(sources):
            yield entry

    async def follow(self, run: Run, now: Now, task: str | None, tail: int | None) -> AsyncIterator[Entry]:
        """Yield lines as they are written, until the task or the run has ended.

        Args:
            run: the run.
            now: returns the newest known version of the run.
            task: key of a task; None for all.
            tail: of each attempt that has started, begin with this many of its last lines; None to begin at the start.
        """

        async def logs() -> AsyncIterator[AsyncIterator[Entry]]:
            started: set[tuple[str, int]] = set()
            while True:
                current = now()
                for task_ in _tasks(current or run, task):
                    for attempt in task_.attempts:
                        if (key := (task_.key, attempt.attempt)) not in started:
                            started.add(key)
                            yield self._attempt(current or run, now, *key).follow(tail=tail)
                if _is_over(current, task):
                    return
                await asyncio.sleep(POLL_SECONDS)

        async for entry in interleaved(logs(), buffer=BUFFERED_LINES):
            yield entry

    def _attempt(self, run: Run, now: Now, task: str, attempt: int) -> AttemptLog:
        return AttemptLog(
            self._archive,
            self._pods,
            run,
            task,
            attempt,
            lambda: _has_ended(now(), task, attempt),
            lambda: _is_archived(now() or run, task, attempt),
        )


def check_task(run: Run, key: str) -> None:
    """Refuse the key of a task that a run does not have.

    Raises:
        NotFound: there is no such task.
    """
    execution = run.execution
    keys = {task.key for task in (execution.tasks or ())} if execution else set()
    if run.spec.polars or run.spec.spark or (execution and execution.command is not None):
        keys = {SINGLE_COMMAND_KEY}
    if key not in keys:
        raise NotFound(f"Run {run.public_id} has no task {key}.")


def _tasks(run: Run, key: str | None) -> list[TaskStatus]:
    return [task for task in (run.status.tasks if run.status else ()) if key in (None, task.key)]


def _is_over(run: Run | None, key: str | None) -> bool:
    if run is None or run.phase.is_terminal:
        return True
    return key is not None and any(task.status.is_terminal for task in _tasks(run, key))


def are_complete(run: Run, task: str | None) -> bool | None:
    """Return whether no line of the logs of a task, or of all with None, is missing.

    None: that is not known yet.
    """
    return logs_complete(attempt for each in _tasks(run, task) for attempt in each.attempts)


def _is_archived(run: Run, key: str, number: int) -> bool:
    attempts = (attempt for task in _tasks(run, key) for attempt in task.attempts)
    return any(attempt.attempt == number and attempt.logs_archived for attempt in attempts)


def _has_ended(run: Run | None, key: str, number: int) -> bool:
    if run is None or run.phase.is_terminal:
        return True
    attempts = (attempt for task in _tasks(run, key) for attempt in task.attempts)
    return any(attempt.attempt == number and attempt.status.is_terminal for attempt in attempts)

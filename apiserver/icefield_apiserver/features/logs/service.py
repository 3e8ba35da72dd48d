"""The logs of a run: of one task or of all, read once or followed, complete or the last lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.features.runs.service import RunService
from icefield_crds import Run, format_time
from icefield_crds.names import SINGLE_COMMAND_KEY
from icefield_crds.run import logs_complete

from .archive import Archive
from .attempt import AttemptLog, Sources
from .entry import Entry
from .live import LiveLogs
from .merge import OrderedLog, interleaved, latest, merged
from .pod import PodLogs
from .progress import Progress, is_over, tasks_of


class LogService:
    """Reads logs of runs that the caller may see.

    Args:
        archive: the archive.
        pods: the pods' logs.
        runs: the runs.
    """

    def __init__(self, archive: Archive, pods: PodLogs, runs: RunService) -> None:
        self._sources = Sources(archive, pods, LiveLogs(pods))
        self._runs = runs

    async def read(self, run: Run, task: str | None, tail: int | None) -> AsyncIterator[Entry]:
        """Yield the lines written so far, by time.

        Args:
            run: the run.
            task: key of a task; None for all.
            tail: only this many of the last lines; None for all.
        """
        attempts = [
            (format_time(attempt.start_time) if attempt.start_time else "", task_.key, attempt.attempt)
            for task_ in tasks_of(run, task)
            for attempt in task_.attempts
        ]
        if tail is not None:
            logs = [partial(self._attempt(run, key, number).entries, tail=tail) for _, key, number in attempts]
            for entry in await latest(logs, tail):
                yield entry
            return
        sources = [OrderedLog(start, self._attempt(run, key, number).entries) for start, key, number in attempts]
        async for entry in merged(sources):
            yield entry

    async def follow(self, run: Run, task: str | None, tail: int | None) -> AsyncGenerator[list[Entry], None]:
        """Yield lines as they are written, until the task or the run has ended.

        Args:
            run: the run.
            task: key of a task; None for all.
            tail: of each attempt that has started, begin with this many of its last lines; None to begin at the start.
        """

        async def logs() -> AsyncIterator[AsyncIterator[list[Entry]]]:
            started: set[tuple[str, int]] = set()
            with self._runs.listening(run) as changed:
                while True:
                    changed.clear()
                    current = self._runs.latest(run)
                    for task_ in tasks_of(current or run, task):
                        for attempt in task_.attempts:
                            if (key := (task_.key, attempt.attempt)) not in started:
                                started.add(key)
                                yield self._attempt(current or run, *key).follow(tail=tail)
                    if is_over(current, task):
                        return
                    await changed.wait()

        async with aclosing(interleaved(logs())) as batches:
            async for lines in batches:
                yield lines

    def _attempt(self, run: Run, task: str, attempt: int) -> AttemptLog:
        return AttemptLog(self._sources, run, task, attempt, Progress(self._runs, run, task, attempt))


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


def are_complete(run: Run, task: str | None) -> bool | None:
    """Return whether no line of the logs of a task, or of all with None, is missing.

    None: that is not known yet.
    """
    return logs_complete(attempt for each in tasks_of(run, task) for attempt in each.attempts)

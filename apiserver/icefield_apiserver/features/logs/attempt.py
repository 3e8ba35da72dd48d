"""The whole log of one attempt: the archive, then what its pod still holds, until the archive is complete."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from icefield_crds import Run
from icefield_crds.names import workspace_of

from .archive import Archive, ArchivedAttempt
from .deduplication import Deduplicator
from .entry import Entry, gap_before
from .pod import PodLogs

POLL_SECONDS = 0.5
GAP_SECONDS = 15.0
"""How long to wait for the archive to get what the kubelet has rotated away, before continuing without it."""


class AttemptLog:
    """Reads one attempt's log once, from wherever it is.

    Args:
        archive: the archive.
        pods: the pods' logs.
        run: the run.
        task: key of the task.
        attempt: number of the attempt, from 0.
        has_ended: returns whether the attempt's process is known to have ended.
        is_archived: returns whether all that can be archived of the log is known to be archived.
    """

    def __init__(
        self,
        archive: Archive,
        pods: PodLogs,
        run: Run,
        task: str,
        attempt: int,
        has_ended: Callable[[], bool],
        is_archived: Callable[[], bool],
    ) -> None:
        self._archive, self._pods = archive, pods
        self._run, self._task, self._attempt = run, task, attempt
        self._has_ended = has_ended
        self._is_archived = is_archived
        self._deduplicator = Deduplicator()
        self._parts_read = 0
        self._is_complete = False
        self._has_gap = False

    async def entries(self, *, tail: int | None = None) -> AsyncIterator[Entry]:
        """Yield the log written so far.

        Args:
            tail: only this many of the last lines; None for all.
        """
        if tail is None:
            async for entry in self._until_now():
                yield entry
            return
        await self._skip_to_tail(tail)
        last: deque[Entry] = deque(maxlen=tail)
        async for entry in self._until_now():
            last.append(entry)
        for entry in last:
            yield entry

    async def follow(self, *, tail: int | None = None) -> AsyncIterator[Entry]:
        """Yield the log as it is now, and go on until the attempt has ended.

        Args:
            tail: begin with this many of the last lines; None to begin at the start.
        """
        if tail is not None:
            async for entry in self.entries(tail=tail):
                yield entry
        missing_since: float | None = None
        while not self._is_complete:
            ended = self._has_ended()
            async for entry in self._pass(None if ended else self._has_ended, _is_overdue(missing_since)):
                yield entry
            if ended and not self._has_gap:
                return
            missing_since = (missing_since or time.monotonic()) if self._has_gap else None
            await asyncio.sleep(POLL_SECONDS)

    async def _until_now(self) -> AsyncIterator[Entry]:
        started = time.monotonic()
        while True:
            async for entry in self._pass(None, _is_overdue(started)):
                yield entry
            if not self._has_gap:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _pass(self, until: Callable[[], bool] | None, accept_gap: bool) -> AsyncIterator[Entry]:
        """Yield what is new in the archive, then what is new in the pod.

        Args:
            until: follow the pod until this returns true; None to read what it holds.
            accept_gap: continue with the pod although lines between the archive and it may be missing.
        """
        self._has_gap = False
        was_archived = self._is_archived()  # before the archive is listed: what is then not in it never will be
        archived = await self._archived()
        self._deduplicator.start_source()
        for part in archived.parts[self._parts_read :]:
            async for entry in self._archive.entries(part):
                if not self._deduplicator.is_duplicate(entry.timestamp, entry.message):
                    self._deduplicator.record(entry.timestamp, entry.message)
                    yield entry
            self._parts_read += 1
        self._is_complete = archived.is_complete or was_archived
        if self._is_complete:
            return
        since, joined = self._deduplicator.since, self._deduplicator.since is None
        self._deduplicator.start_source()
        async for entry in self._pods.entries(self._run, self._task, self._attempt, since=since, until=until):
            if self._deduplicator.is_duplicate(entry.timestamp, entry.message):
                joined = True
                continue
            if not joined and not accept_gap:
                self._has_gap = True
                return
            if not joined:
                joined = True
                yield gap_before(entry)
            self._deduplicator.record(entry.timestamp, entry.message)
            yield entry

    async def _skip_to_tail(self, tail: int) -> None:
        archived = await self._archived()
        lines, first = 0, len(archived.parts)
        while first > 0 and lines < tail:
            first -= 1
            lines += await self._archive.count(archived.parts[first])
        self._parts_read = first

    async def _archived(self) -> ArchivedAttempt:
        workspace = workspace_of(self._run.metadata.namespace or "") or ""
        found = await self._archive.attempts(workspace, self._run.metadata.uid, self._task)
        return found.get(self._attempt, ArchivedAttempt())


def _is_overdue(since: float | None) -> bool:
    return since is not None and time.monotonic() - since > GAP_SECONDS

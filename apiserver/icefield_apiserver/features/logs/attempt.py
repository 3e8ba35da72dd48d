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
"""How long to wait for one more part of the archive, which has what the kubelet has rotated away, before continuing
without it."""


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
        self._gap_since: float | None = None
        """Since when lines between the archive and the pod are missing, no part of the archive having come."""

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
        while not self._is_complete:
            ended = self._has_ended()
            async for entry in self._pass(None if ended else self._has_ended):
                yield entry
            if ended and self._gap_since is None:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _until_now(self) -> AsyncIterator[Entry]:
        while True:
            async for entry in self._pass(None):
                yield entry
            if self._gap_since is None:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _pass(self, until: Callable[[], bool] | None) -> AsyncIterator[Entry]:
        """Yield what is new in the archive, then what is new in the pod unless lines between the two are missing.

        Args:
            until: follow the pod until this returns true; None to read what it holds.
        """
        was_archived = self._is_archived()  # before the archive is listed: what is then not in it never will be
        archived = await self._archived()
        self._deduplicator.start_source()
        for part in archived.parts[self._parts_read :]:
            async for entry in self._archive.entries(part):
                if not self._deduplicator.is_duplicate(entry.timestamp, entry.message):
                    self._deduplicator.record(entry.timestamp, entry.message)
                    yield entry
            self._parts_read += 1
            self._gap_since = None
        self._is_complete = archived.is_complete or was_archived
        if self._is_complete:
            self._gap_since = None
            return
        since, joined = self._deduplicator.since, self._deduplicator.since is None
        self._deduplicator.start_source()
        async for entry in self._pods.entries(self._run, self._task, self._attempt, since=since, until=until):
            if self._deduplicator.is_duplicate(entry.timestamp, entry.message):
                joined = True
                continue
            if not joined:
                self._gap_since = self._gap_since or time.monotonic()
                if time.monotonic() - self._gap_since < GAP_SECONDS:
                    return
                joined = True
                yield gap_before(entry)
            self._deduplicator.record(entry.timestamp, entry.message)
            yield entry
        self._gap_since = None

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

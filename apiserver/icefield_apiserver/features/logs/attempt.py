"""The whole log of one attempt: the archive, then what its pod still holds, until the archive is complete."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from icefield_crds import Run
from icefield_crds.names import workspace_of

from .archive import Archive, ArchivedAttempt
from .deduplication import Deduplicator
from .entry import Entry, gap_before, missing_end
from .live import LiveLog, LiveLogs
from .pod import PodLogs, PodLogUnavailable, TaskPod
from .progress import Progress

POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 30.0
"""Of a pod that has no log yet, such as one that waits for a node: a change of its run wakes who follows it."""
GAP_SECONDS = 15.0
"""How long to wait for one more part of the archive, which has what the kubelet has rotated away, before continuing
without it."""
END_SECONDS = 20.0
"""How long to wait for one more part of the archive when an attempt has ended and its pod cannot be read, before its
log counts as cut: longer than GAP_SECONDS, as the pod may come to be read meanwhile."""


@dataclass(frozen=True)
class Sources:
    """Where logs come from."""

    archive: Archive
    pods: PodLogs
    live: LiveLogs


class AttemptLog:
    """Reads one attempt's log once, from wherever it is.

    Args:
        sources: where it may be.
        run: the run.
        task: key of the task.
        attempt: number of the attempt, from 0.
        progress: how far the attempt has come.
    """

    def __init__(self, sources: Sources, run: Run, task: str, attempt: int, progress: Progress) -> None:
        self._sources = sources
        self._run, self._task, self._attempt = run, task, attempt
        self._pod = TaskPod.of(run, task, attempt)
        self._progress = progress
        self._deduplicator = Deduplicator()
        self._parts_read = 0
        self._is_complete = False
        self._is_level = False
        """Whether the last pass has read all that the pod held."""
        self._gap_since: float | None = None
        """Since when lines between the archive and the pod are missing, no part of the archive having come."""

    async def entries(self, *, tail: int | None = None) -> AsyncIterator[Entry]:
        """Yield the log written so far.

        Args:
            tail: only this many of the last lines; None for all.
        """
        if tail is not None:
            for entry in await self._last(tail):
                yield entry
            return
        async for lines in self._until_now():
            for entry in lines:
                yield entry

    async def follow(self, *, tail: int | None = None) -> AsyncIterator[list[Entry]]:
        """Yield the log as it is now, and go on until the attempt has ended.

        Where the end of the log may be missing, the last line says so.

        Args:
            tail: begin with this many of the last lines; None to begin at the start.
        """
        if tail is not None:
            yield await self._last(tail)
        pause = POLL_SECONDS
        with self._progress.listening() as changed:
            while not self._is_complete and not self._progress.has_ended():
                changed.clear()
                # Joined before the pod is read, so that no line is missed between the two.
                with self._sources.live.joined(self._pod, changed) as live:
                    async for lines in self._pass():
                        yield lines
                    if self._is_level:
                        pause = POLL_SECONDS
                        async for lines in self._new_lines(live, changed):
                            yield lines
                await asyncio.sleep(POLL_SECONDS)
                if not self._waits_for_part():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause - POLL_SECONDS):
                            await changed.wait()
                    pause = min(2 * pause, LONGEST_POLL_SECONDS)
        async for lines in self._until_end():
            yield lines

    async def _last(self, tail: int) -> list[Entry]:
        await self._skip_to_tail(tail)
        last: deque[Entry] = deque(maxlen=tail)
        async for lines in self._until_now():
            last.extend(lines)
        return list(last)

    async def _until_now(self) -> AsyncIterator[list[Entry]]:
        while not self._is_complete:
            was_waiting = self._waits_for_part()
            async for lines in self._pass():
                yield lines
            if self._gap_since is None:
                return
            if not was_waiting and not self._waits_for_part():
                yield [missing_end(self._task, self._attempt)]
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _until_end(self) -> AsyncIterator[list[Entry]]:
        """Yield the rest of the log of an attempt that has ended, from its pod or as it is archived."""
        come, came_at = None, 0.0
        while not self._is_complete:
            async for lines in self._pass():
                yield lines
            if self._is_complete or self._is_level:
                return
            before, come, now = come, (self._parts_read, self._gap_since), time.monotonic()
            came_at = now if come != before else came_at
            if now - came_at >= END_SECONDS:
                yield [missing_end(self._task, self._attempt)]
                return
            await asyncio.sleep(POLL_SECONDS)

    def _waits_for_part(self) -> bool:
        return self._gap_since is not None and time.monotonic() - self._gap_since < GAP_SECONDS

    async def _pass(self) -> AsyncIterator[list[Entry]]:
        """Yield what is new in the archive, then what is new in the pod unless lines between the two are missing."""
        was_archived = self._progress.is_archived()  # before it is listed: what is then not in it never will be
        archived = await self._archived()
        self._is_level = False
        self._is_complete = archived.is_complete or was_archived
        if not self._is_complete and not self._parts_read and archived.parts:
            async for lines in self._held_since_start(archived):
                yield lines
        self._deduplicator.start_source()
        self._deduplicator.join()
        for part in archived.parts[self._parts_read :]:
            async for lines in self._sources.archive.entries(part):
                yield self._unseen(lines)
            self._parts_read += 1
            self._gap_since = None
        if self._is_complete:
            self._gap_since = None
        elif not self._is_level:
            async for lines in self._held_by_pod():
                yield lines

    async def _held_since_start(self, archived: ArchivedAttempt) -> AsyncIterator[list[Entry]]:
        """Yield the log as its pod holds it, if that is all of it: then one read replaces one of each archived part."""
        first, has_begun = await self._sources.archive.first_entry(archived.parts[0]), False
        self._deduplicator.start_source()
        self._deduplicator.join()
        with suppress(PodLogUnavailable):
            async with aclosing(self._sources.pods.read(self._pod, None)) as held:
                async for lines in held:
                    has_begun = has_begun or lines[:1] == [first]
                    if lines and not has_begun:
                        return
                    yield self._unseen(lines)
            if has_begun:
                self._parts_read = len(archived.parts)
                self._is_level = True

    async def _held_by_pod(self) -> AsyncIterator[list[Entry]]:
        """Yield what is new in the pod, unless lines before it are missing."""
        since = self._deduplicator.since
        self._deduplicator.start_source()
        try:
            async for lines in self._sources.pods.read(self._pod, since):
                yield self._unseen(lines)
                if self._gap_since is not None and not self._deduplicator.is_joined:
                    return
            self._is_level = True
        except PodLogUnavailable:
            return  # what it held before it went is still missing
        self._gap_since = None

    async def _new_lines(self, live: LiveLog, changed: asyncio.Event) -> AsyncIterator[list[Entry]]:
        """Yield lines as they are written, until the attempt or the stream has ended or this reader lags too far."""
        live.start(self._deduplicator.since)
        self._deduplicator.start_source()
        if not live.is_from_start:
            self._deduplicator.join()
        while True:
            changed.clear()
            if lines := live.take():
                yield self._unseen(lines)
                if not self._deduplicator.is_joined:
                    return
            elif live.is_open and not self._progress.has_ended():
                await changed.wait()
            else:
                return

    def _unseen(self, lines: list[Entry]) -> list[Entry]:
        """Return the lines that were not yielded before; none while lines before them are missing and may come."""
        unseen = []
        for line in lines:
            if self._deduplicator.is_duplicate(line.timestamp, line.message):
                continue
            if not self._deduplicator.is_joined:
                now = time.monotonic()
                self._gap_since = self._gap_since or now
                if now - self._gap_since < GAP_SECONDS:
                    return []
                self._deduplicator.join()
                unseen.append(gap_before(line))
            self._deduplicator.record(line.timestamp, line.message)
            unseen.append(line)
        return unseen

    async def _skip_to_tail(self, tail: int) -> None:
        archived = await self._archived()
        lines, first = 0, len(archived.parts)
        while first > 0 and lines < tail:
            first -= 1
            lines += await self._sources.archive.count(archived.parts[first])
        self._parts_read = first

    async def _archived(self) -> ArchivedAttempt:
        workspace = workspace_of(self._run.metadata.namespace or "") or ""
        found = await self._sources.archive.attempts(workspace, self._run.metadata.uid, self._task)
        return found.get(self._attempt, ArchivedAttempt())

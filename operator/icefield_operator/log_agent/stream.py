"""One log as a stream, from its files: `icefield_operator.logs.writer.Stream`, and where it has gaps."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import Enum, auto

from .cri import CriDecoder
from .files import LogFile, LogFiles
from .pace import Pace

CHUNK_BYTES = 128 * 1024
SETTLED_SECONDS = 2.0
"""For how long a file must not have been written before the next one is read: the runtime writes what it had buffered
to the old file while it begins the new one."""
ENDED_SECONDS = 0.5
"""For how long the log of a container that has ended must not grow before it counts as read."""
REMOVED_SECONDS = 5.0
"""The same where only its pod is known to be gone: the container may be ending."""
FIRST_WAIT = 0.1
LAST_WAIT = 1.0


class End(Enum):
    """What is known of the end of a container."""

    RUNNING = auto()
    ENDED = auto()
    REMOVED = auto()
    """Its pod is gone."""


_END_SECONDS = {End.ENDED: ENDED_SECONDS, End.REMOVED: REMOVED_SECONDS}


class FileStream:
    """Serves the files of a log from their current position on, until the container has ended.

    Args:
        files: the files.
        pace: bounds the bytes per second.
    """

    def __init__(self, files: LogFiles, pace: Pace) -> None:
        self._files = files
        self._pace = pace
        self._decoder = CriDecoder()
        self._reading: asyncio.Future[tuple[bytes, bool]] | None = None
        self._changed = asyncio.Event()
        self._end = End.RUNNING
        self._quiet_since: float | None = None
        self._wait = FIRST_WAIT
        self._has_gap = False

    def observe(self, end: End) -> None:
        """Take in what is known of the container."""
        if end is not self._end:
            self._end = end
            self._quiet_since = None
            self._changed.set()

    async def restart(self, since: datetime | None, *, has_gap: bool) -> None:
        """Begin again.

        Args:
            since: with the file that has the lines from this time on; None for the oldest.
            has_gap: lines before the first one are missing.
        """
        await self.close()
        await asyncio.to_thread(self._files.rewind, since)
        self._decoder = CriDecoder()
        self._quiet_since = None
        self._has_gap = has_gap

    def is_before(self, timestamp: str, size: int, now: float) -> bool:
        """Return whether lines are missing before this one (`gaps.Gaps`)."""
        found, self._has_gap = self._has_gap, False
        return found

    def may_miss_start(self, first: datetime, now: float) -> bool:
        """Return whether lines before the first one may be missing (`gaps.Gaps`): where they are, it is known."""
        return False

    @property
    def misses_end(self) -> bool:
        """Whether lines are missing after the last one."""
        return self._has_gap or self._files.misses_files

    async def readany(self) -> bytes:
        """Return what was written, at least a byte; nothing at the end of the log.

        When it is cancelled, the next call returns what this one had read.
        """
        while True:
            if self._reading is None:
                await self._pace.wait()
                self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
            try:
                served, has_read = await asyncio.shield(self._reading)
            except Exception:
                self._reading = None
                raise
            self._reading = None
            if served:
                return served
            if has_read:
                continue
            if self._is_over():
                return b""
            await self._sleep()

    async def close(self) -> None:
        """Wait until no thread reads the files."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
            self._reading = None

    def _read(self) -> tuple[bytes, bool]:
        """Return the next bytes of the stream, and whether anything was read or another file begun."""
        file = self._files.current
        if file is None:
            self._files.discover()
            return b"", self._files.current is not None
        if self._files.misses_files:
            self._files.misses_files, self._has_gap = False, True
        data = file.read(CHUNK_BYTES)
        if data:
            self._pace.spend(len(data))
            self._quiet_since, self._wait = None, FIRST_WAIT
            return self._decoder.feed(data), True
        if file.is_damaged:
            if rest := self._decoder.cut():
                return rest, True
            self._has_gap = True
        if self._files.has_next and (file.is_compressed or file.age_seconds > SETTLED_SECONDS):
            if rest := self._decoder.cut() if self._files.is_before_gap else self._decoder.end_file():
                return rest, True  # before a gap that the next file begins with
            self._begin(self._files.advance())
            return b"", True
        if self._end is not End.RUNNING:
            self._files.discover()
        return b"", False

    def _begin(self, file: LogFile) -> None:
        if file.is_after_gap:
            self._has_gap = True

    def _is_over(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._end is End.RUNNING or self._files.has_next:
            self._quiet_since = None
            return False
        self._quiet_since = self._quiet_since or now
        return now - self._quiet_since >= _END_SECONDS[self._end]

    async def _sleep(self) -> None:
        self._changed.clear()
        wait, self._wait = self._wait, min(self._wait * 2, LAST_WAIT)
        if self._end is not End.RUNNING or self._files.has_next:
            wait = FIRST_WAIT
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return

"""The files of one container's log: found, kept open, and read in order.

`<folder>/<restarts>.log` is the file that the runtime writes. The kubelet renames it to `<restarts>.log.<time>` when
it has containerLogMaxSize, has the runtime begin another, compresses all renamed ones but the newest to `….gz`, and
deletes the oldest.
"""

from __future__ import annotations

import gzip
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from .cri import time_of
from .damaged import DAMAGED, read_to_damage

_NAME = re.compile(r"(?P<restarts>\d+)\.log(?:\.(?P<rotated>\d{8}-\d{6}))?(?P<gz>\.gz)?$")
_HEAD_BYTES = 64
MANY_ROTATED = 4
"""So many renamed files are what containerLogMaxFiles, 5, leaves: there may have been earlier ones."""
ROTATED = timedelta(seconds=9)
"""The kubelet looks every 10 s what to rotate: a renamed file that begins so late may not be the first, however few
files containerLogMaxFiles leaves."""

Order = tuple[int, str]


@dataclass(eq=False)
class LogFile:
    """One open file of a log.

    Attributes:
        file: reads it, uncompressed.
        order: files of a log sort by it.
        begins: the time of its first line.
        raw: the open file itself.
        offset: how many bytes of it, uncompressed, were read.
        is_after_gap: files before it were given up.
        is_damaged: it is damaged behind what was read, or will be read next.
    """

    file: BinaryIO
    order: Order
    begins: datetime
    raw: BinaryIO
    offset: int = 0
    is_after_gap: bool = False
    is_damaged: bool = False
    _before_damage: bytes = b""

    @property
    def is_compressed(self) -> bool:
        """Whether it is gzip."""
        return self.file is not self.raw

    @property
    def unread_bytes(self) -> int:
        """How many bytes on the disk it keeps for what was not read."""
        status = os.fstat(self.raw.fileno())
        return status.st_size - (self.raw.tell() if self.is_compressed else self.offset)

    @property
    def age_seconds(self) -> float:
        """Seconds since it was last written; or how far the clock was set back since, if it was."""
        return abs(time.time() - os.fstat(self.raw.fileno()).st_mtime)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many; nothing at the present end, or where it is damaged."""
        try:
            data = b"" if self.is_damaged else self.file.read(size)
        except DAMAGED:
            self.is_damaged, self._before_damage = True, read_to_damage(self.raw, self.offset)
        if self.is_damaged:
            data, self._before_damage = self._before_damage[:size], self._before_damage[size:]
        self.offset += len(data)
        return data

    def rewind(self) -> None:
        """Read from the start again."""
        self.file.seek(0)
        self.offset = 0
        self.is_damaged = False

    def close(self) -> None:
        """Close it; its space is free when it was deleted."""
        self.file.close()
        self.raw.close()


@dataclass
class LogFiles:
    """The open files of one log, oldest first; every method blocks for as long as the disk takes.

    Attributes:
        folder: where they are.
        started_at: when the container started.
        misses_start: earlier files may have been deleted before the first one was found.
        misses_files: a file was found too late, or is damaged.
        has_found: a file was found, be it empty.
    """

    folder: Path
    started_at: datetime | None = None
    misses_start: bool = False
    misses_files: bool = False
    has_found: bool = False
    _closed: bool = False
    _files: list[LogFile] = field(default_factory=list)
    _current: int = 0
    _seen: dict[tuple[str, int], None] = field(default_factory=dict)
    _begins: set[datetime] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def discover(self) -> None:
        """Open the files that are new.

        Raises:
            PermissionError: they may not be read.
        """
        with self._lock:
            if self._closed:
                return
            seen: dict[tuple[str, int], None] = {}
            is_first = not self._begins
            found = sorted(self._entries(), key=lambda each: each[0])
            for order, entry in found:
                name = (entry.name, entry.inode())
                if name in self._seen or self._open(entry, order):
                    seen[name] = None
            self._seen = seen
            self.has_found = self.has_found or bool(found)
            if is_first and self._begins:
                self.misses_start = self._may_miss_start(sum(order[1] != _NEWEST for order, _ in found))

    def _may_miss_start(self, renamed: int) -> bool:
        begins_late = self.started_at is not None and min(self._begins) - self.started_at >= ROTATED
        return renamed >= MANY_ROTATED or (renamed > 0 and begins_late)

    def _entries(self) -> Iterator[tuple[Order, os.DirEntry[str]]]:
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return
        for entry in entries:
            if match := _NAME.match(entry.name):
                yield (int(match["restarts"]), match["rotated"] or _NEWEST), entry

    def _open(self, entry: os.DirEntry[str], order: Order) -> bool:
        """Open a file unless it is known under another name; return whether it is known now."""
        try:
            raw: BinaryIO = Path(entry.path).open("rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return False
        file: BinaryIO = gzip.GzipFile(fileobj=raw) if entry.name.endswith(".gz") else raw  # type: ignore[assignment]
        # The time of its first line tells a file from all others, renamed or compressed.
        opened = LogFile(file, order, _UNKNOWN, raw)
        begins = time_of(opened.read(_HEAD_BYTES))
        if begins is None and opened.is_damaged:
            opened.close()
            self.misses_files = True
            return True
        if begins is None or begins in self._begins:
            opened.close()
            self._rename(begins, order)
            return begins is not None
        opened.rewind()
        opened.begins = begins
        self._begins.add(begins)
        if self._files and order < self._files[self._current].order:
            self.misses_files = True  # it could not be opened before, and its turn is over
            opened.close()
        else:
            # Those that are known keep their places: their names have the node's local time, which may be set back.
            later = range(self._current + 1, len(self._files))
            place = next((number for number in later if order < self._files[number].order), len(self._files))
            self._files.insert(place, opened)
        return True

    def _rename(self, begins: datetime | None, order: Order) -> None:
        for each in self._files:
            if each.begins == begins:
                each.order = order

    @property
    def current(self) -> LogFile | None:
        """The file that is read; None before one was found."""
        with self._lock:
            return self._files[self._current] if self._files else None

    @property
    def has_next(self) -> bool:
        """Whether there is a file after the current one."""
        return self._current + 1 < len(self._files)

    @property
    def is_before_gap(self) -> bool:
        """Whether files after the current one were given up, and there is one after them."""
        with self._lock:
            return self.has_next and self._files[self._current + 1].is_after_gap

    def advance(self) -> LogFile:
        """Go on to the next file and return it."""
        with self._lock:
            self._current += 1
            return self._files[self._current]

    def rewind(self, since: datetime | None) -> None:
        """Go back to the file that has the lines from this time on; None for the oldest."""
        with self._lock:
            self._current = 0
            for number, each in enumerate(self._files):
                each.rewind()
                if since is not None and each.begins <= since:
                    self._current = number

    def release(self) -> None:
        """Close the files before the current one, but for the last: the newest archived line may still be its."""
        with self._lock:
            for each in self._files[: max(self._current - 1, 0)]:
                each.close()
            del self._files[: max(self._current - 1, 0)]
            self._current = min(self._current, 1)

    @property
    def backlog_bytes(self) -> int:
        """How many bytes on the disk the files after the current one, and the rest of it, have that were not read."""
        with self._lock:
            return sum(each.unread_bytes for each in self._files[self._current :])

    def give_up_oldest(self) -> bool:
        """Close the oldest file that was not begun, but for the newest two; return whether there was one."""
        with self._lock:
            number = self._current + 1
            if number >= len(self._files) - 2:
                return False
            self._files.pop(number).close()
            self._files[number].is_after_gap = True
            return True

    def close(self) -> None:
        """Close all files; no more are opened."""
        with self._lock:
            self._closed = True
            for each in self._files:
                each.close()
            self._files.clear()
            self._current = 0


_UNKNOWN = datetime.max.replace(tzinfo=UTC)
_NEWEST = "~"
"""Sorts after the times of renamed files."""

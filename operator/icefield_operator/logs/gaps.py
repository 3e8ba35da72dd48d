"""Finds where a stream has skipped lines: pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Gaps(Protocol):
    """What knows, or infers, where a stream of a log has skipped lines."""

    def is_before(self, timestamp: str, size: int, now: float) -> bool:
        """Return whether lines are missing before this one; called for each line of the stream, in order.

        Args:
            timestamp: of the line, RFC 3339 in UTC.
            size: of the line, in bytes.
            now: seconds of a monotonic clock.
        """
        ...

    def may_miss_start(self, first: datetime, now: float) -> bool:
        """Return whether it is not known if lines are missing before the first one of a log.

        Args:
            first: the time of the first line; of the container's end where there is none.
            now: seconds of a monotonic clock.
        """
        ...


ROTATED = timedelta(seconds=9)
"""The kubelet rotates a log at most each containerLogMonitorInterval, 10 s."""


class Watch:
    """When a log of which nothing is archived yet was followed, for one container.

    Nothing that the kubelet serves tells whether there were files before its newest: a task may be silent for an hour,
    or have filled files in a second and be silent since. So the start of a log is known to be whole only if the log was
    never left alone for as long as a rotation takes before its first line came.
    """

    def __init__(self, started_at: datetime | None) -> None:
        """Initialize; `started_at` is when the container started, None where that is not known."""
        self._started_at = started_at
        self._first_opened: float | None = None
        self._closed: float | None = None
        self._longest_pause = 0.0

    def open(self, now: float) -> None:
        """Record that a stream was opened (`now`: seconds of a monotonic clock)."""
        if self._first_opened is None:
            self._first_opened = now
        if self._closed is not None:
            self._longest_pause = max(self._longest_pause, now - self._closed)
            self._closed = None

    def close(self, now: float) -> None:
        """Record that it has ended, or broke."""
        if self._first_opened is not None:
            self._closed = now

    def may_miss_start(self, first: datetime, now: float) -> bool:
        """Return whether it is not known if lines are missing before the first one (`Gaps.may_miss_start`)."""
        if self._started_at is None or self._first_opened is None:
            return False
        # In the node's time, whatever the clock here says: the first line came so long after the first stream.
        until_opened = (first - self._started_at).total_seconds() - (now - self._first_opened)
        return max(until_opened, self._longest_pause) >= ROTATED.total_seconds()


class RotationGaps:
    """Infers from a stream of the kubelet where it has skipped a file.

    When the log is rotated twice while the kubelet still serves the file before, it continues with the newest one and
    does not say so. The skipped file spans at least the time between two rotations, and the file before had the size
    that makes the kubelet rotate. So a gap is suspected where the timestamps jump by that time though the reader did
    not wait for it, and enough was read before. What looks like this and is none, is reported as one.
    """

    FILE_BYTES = 5 * 1024 * 1024
    """Half of containerLogMaxSize, which counts the runtime's own columns, too."""
    PROMPT = timedelta(seconds=2)

    def __init__(self, bytes_before: int = 0, watch: Watch | None = None) -> None:
        """Initialize for one stream.

        Args:
            bytes_before: how many bytes were in the same file before the stream's first line.
            watch: when the log was followed; None where its start is archived.
        """
        self._watch = watch
        self._bytes = bytes_before
        self._second = ""
        self._read_at = 0.0

    def is_before(self, timestamp: str, size: int, now: float) -> bool:
        """Return whether lines are probably missing before this one."""
        self._bytes += size
        second = timestamp[:19]
        if second == self._second:
            return False
        before, self._second = self._second, second
        waited, self._read_at = timedelta(seconds=now - self._read_at), now
        if not before or self._bytes < self.FILE_BYTES:
            return False
        jump = datetime.fromisoformat(second) - datetime.fromisoformat(before)
        if jump < ROTATED or waited > jump - self.PROMPT:
            return False
        self._bytes = size
        return True

    def may_miss_start(self, first: datetime, now: float) -> bool:
        """Return whether it is not known if lines are missing before the first one of the log."""
        return self._watch is not None and self._watch.may_miss_start(first, now)

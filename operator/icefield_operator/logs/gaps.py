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


class RotationGaps:
    """Infers from a stream of the kubelet where it has skipped a file.

    When the log is rotated twice while the kubelet still serves the file before, it continues with the newest one and
    does not say so. The skipped file spans at least the time between two rotations, and the file before had the size
    that makes the kubelet rotate. So a gap is suspected where the timestamps jump by that time though the reader did
    not wait for it, and enough was read before. What looks like this and is none, is reported as one.
    """

    ROTATED = timedelta(seconds=9)
    """The kubelet rotates a log at most each containerLogMonitorInterval, 10 s."""
    FILE_BYTES = 5 * 1024 * 1024
    """Half of containerLogMaxSize, which counts the runtime's own columns, too."""
    PROMPT = timedelta(seconds=2)

    def __init__(self, bytes_before: int = 0) -> None:
        """Initialize for one stream; `bytes_before` were in the same file before the stream's first line."""
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
        if jump < self.ROTATED or waited > jump - self.PROMPT:
            return False
        self._bytes = size
        return True

"""Joins two sources of one log without missing or duplicate lines. Pure.

Both sources hold the same lines in the same order, each with the timestamp that the container runtime gave it. Lines
may share a timestamp, and the two streams of a process may be written a little out of order; so the last lines are kept
as a multiset, not as one point in time.
"""

from __future__ import annotations

from collections import Counter, deque

WINDOW = 10_000
"""How many lines apart two lines may be out of order."""

Line = tuple[str, int]
"""A timestamp (RFC 3339, nine digits of a second: such strings sort by time) and the hash of a message."""


class Deduplicator:
    """Keeps the last lines, and finds those that the next source repeats."""

    def __init__(self) -> None:
        self._recent: deque[Line] = deque(maxlen=WINDOW)
        self._recorded = 0
        self._expected: Counter[Line] = Counter()
        self._floor = ""

    def record(self, timestamp: str, message: str) -> None:
        """Keep a line that was yielded."""
        self._recent.append((timestamp, hash(message)))
        self._recorded += 1

    @property
    def since(self) -> str | None:
        """The whole second from which the next source must be read; None for its start."""
        return f"{min(self._recent)[0][:19]}Z" if self._recent else None

    def start_source(self) -> None:
        """Start with another source, which repeats the last lines before it continues."""
        self._expected = Counter(self._recent)
        everything_is_kept = self._recorded <= WINDOW
        self._floor = "" if everything_is_kept else min(self._recent)[0]

    def is_duplicate(self, timestamp: str, message: str) -> bool:
        """Return whether the source's next line was yielded before."""
        if timestamp < self._floor:
            return True
        line = (timestamp, hash(message))
        if self._expected[line] > 0:
            self._expected[line] -= 1
            return True
        return False

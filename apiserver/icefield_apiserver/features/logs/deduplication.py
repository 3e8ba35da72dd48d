"""Joins two sources of one log without missing or duplicate lines. Pure.

Both sources hold the same lines in the same order, each with the timestamp that the container runtime gave it. Lines
may share a timestamp, and the two streams of a process may be written a little out of order; so the last lines are kept
as a multiset, not as one point in time. A follower keeps them for hours, so of each only a hash is kept.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

WINDOW = 10_000
"""How many lines apart two lines may be out of order."""
BLOCKS = 20
"""The window is forgotten in as many steps."""
OVERLAP = timedelta(seconds=10)
"""How much later than everything before a line must be to show that no line before it is repeated after it."""


@dataclass(slots=True)
class _Block:
    oldest: str
    hashes: array[int] = field(default_factory=lambda: array("q"))


class Deduplicator:
    """Keeps the last lines, and finds those that the next source repeats.

    Timestamps are RFC 3339 in UTC with nine digits of a second: such strings sort by time.
    """

    def __init__(self) -> None:
        self._blocks: deque[_Block] = deque()
        self._newest = ""
        self._has_forgotten = False
        self._is_joined = True
        self._expected: Counter[int] = Counter()
        """Lines that the source has not repeated yet, from its first line on."""
        self._is_at_start = False
        self._floor = self._beyond = ""
        """Between these two are the timestamps of lines that the source may repeat."""

    def record(self, timestamp: str, message: str) -> None:
        """Keep a line that was yielded."""
        if not self._blocks or len(self._blocks[-1].hashes) >= max(1, WINDOW // BLOCKS):
            self._blocks.append(_Block(timestamp))
            if len(self._blocks) > BLOCKS + 1:
                self._blocks.popleft()
                self._has_forgotten = True
        block = self._blocks[-1]
        block.hashes.append(hash((timestamp, message)))
        block.oldest = min(block.oldest, timestamp)
        self._newest = max(self._newest, timestamp)

    @property
    def since(self) -> str | None:
        """The whole second from which the next source must be read; None for its start."""
        return f"{self._oldest()[:19]}Z" if self._blocks else None

    @property
    def is_joined(self) -> bool:
        """Whether no line is missing between what was recorded and the source: it has repeated one, or had none to."""
        return self._is_joined

    def start_source(self) -> None:
        """Start with another source, which repeats the last lines before it continues."""
        self._is_at_start = True
        self._is_joined = not self._blocks

    def join(self) -> None:
        """Take the source as joined, whether it has repeated a line or not."""
        self._is_joined = True

    def is_duplicate(self, timestamp: str, message: str) -> bool:
        """Return whether the source's next line was yielded before."""
        if self._is_at_start:
            self._is_at_start = False
            self._expect_all()
        if not self._expected or timestamp > self._beyond:
            self._expected.clear()  # the source has repeated all that it will
            return False
        if timestamp >= self._floor and not self._take(hash((timestamp, message))):
            return False
        self._is_joined = True
        return True

    def _take(self, line: int) -> bool:
        """Expect a line once less; return whether it was expected."""
        count = self._expected.pop(line, 0)
        if count > 1:
            self._expected[line] = count - 1
        return count > 0

    def _expect_all(self) -> None:
        self._expected = Counter(chain.from_iterable(block.hashes for block in self._blocks))
        if self._expected:
            self._floor = self._oldest() if self._has_forgotten else ""
            self._beyond = (datetime.fromisoformat(self._newest[:19]) + OVERLAP).isoformat()

    def _oldest(self) -> str:
        return min(block.oldest for block in self._blocks)

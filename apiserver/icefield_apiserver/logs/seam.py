"""Where one source of a log leaves off and another goes on, without a line missing or doubled. Pure.

Both sources hold the same lines in the same order, each with the timestamp that the container runtime gave it. Lines
may share a timestamp, and the two streams of a process may be written a little out of order; so what was passed on
last is remembered as a bag of lines, not as one point in time.
"""

from __future__ import annotations

from collections import Counter, deque

WINDOW = 10_000
"""How many lines back two lines may be out of order."""

Line = tuple[str, int]
"""A timestamp (RFC 3339, nine digits of a second: such strings sort by time) and the hash of a message."""


class Seam:
    """Remembers the lines passed on last, and tells which lines of the next source repeat them."""

    def __init__(self) -> None:
        self._recent: deque[Line] = deque(maxlen=WINDOW)
        self._passed = 0
        self._expected: Counter[Line] = Counter()
        self._floor = ""

    def pass_on(self, timestamp: str, message: str) -> None:
        """Remember a line that was passed on."""
        self._recent.append((timestamp, hash(message)))
        self._passed += 1

    @property
    def since(self) -> str | None:
        """The whole second from which the next source must be read; None for its beginning."""
        return f"{min(self._recent)[0][:19]}Z" if self._recent else None

    def begin(self) -> None:
        """Begin with another source, which repeats what was remembered before it goes on."""
        self._expected = Counter(self._recent)
        everything_is_remembered = self._passed <= WINDOW
        self._floor = "" if everything_is_remembered else min(self._recent)[0]

    def is_repeated(self, timestamp: str, message: str) -> bool:
        """Say whether the source's next line was passed on before."""
        if timestamp < self._floor:
            return True
        line = (timestamp, hash(message))
        if self._expected[line] > 0:
            self._expected[line] -= 1
            return True
        return False

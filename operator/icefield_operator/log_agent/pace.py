"""Bounds how fast the logs of one run are read, so that those of others are read, too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pace:
    """So many bytes a second on average, shared by the tasks of a run; a second's worth may be read at once."""

    def __init__(self, bytes_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Initialize; `clock` returns seconds."""
        self._rate = bytes_per_second
        self._clock = clock
        self._free_at = clock()

    def spend(self, size: int) -> None:
        """Record that so many bytes were read."""
        now = self._clock()
        self._free_at = max(self._free_at, now - 1.0) + size / self._rate

    @property
    def delay(self) -> float:
        """Seconds until more may be read."""
        return max(self._free_at - self._clock(), 0.0)

    async def wait(self) -> None:
        """Return when more may be read."""
        if (delay := self.delay) > 0:
            await asyncio.sleep(delay)

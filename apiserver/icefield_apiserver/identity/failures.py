"""A ceiling on failed log-ins, so that passwords cannot be guessed at speed.

It lives in the process: with several replicas a guesser gets as many times the ceiling, which is still nothing.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from icefield_apiserver.errors import QuotaExceeded

WINDOW_SECONDS = 300
PER_PERSON_AND_ADDRESS = 10
PER_ADDRESS = 100
REMEMBERED = 10_000


@dataclass
class _Window:
    ends: float
    failures: int = 0


class FailedLogins:
    """Counts failures per person and address, and per address, in windows of five minutes.

    A person alone is not counted: whoever knows an e-mail address could lock its owner out.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[tuple[str, ...], _Window] = OrderedDict()

    def attempt(self, email: str, address: str) -> None:
        """Let an attempt begin, counted as failed until `succeeded` says otherwise: many at once are still counted.

        Raises:
            QuotaExceeded: there were too many failures; it says the limit and carries Retry-After.
        """
        now = self._clock()
        for key, ceiling in _ceilings(email, address):
            window = self._windows.get(key)
            if window and window.ends > now and window.failures >= ceiling:
                raise QuotaExceeded(
                    f"Too many failed log-ins: max_failed_logins={ceiling}, current={window.failures}.",
                    retry_after=math.ceil(window.ends - now),
                )
        for key, _ in _ceilings(email, address):
            window = self._windows.get(key)
            if window is None or window.ends <= now:
                window = self._windows[key] = _Window(now + WINDOW_SECONDS)
            self._windows.move_to_end(key)
            window.failures += 1
        while len(self._windows) > REMEMBERED:
            self._windows.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        """Take back the attempt of a person who got it right, and begin anew for them."""
        self._windows.pop((email, address), None)
        if window := self._windows.get((address,)):
            window.failures = max(0, window.failures - 1)


def _ceilings(email: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    return (((email, address), PER_PERSON_AND_ADDRESS), ((address,), PER_ADDRESS))

"""A limit on failed log-ins, so that passwords cannot be guessed quickly.

The counts are local to the process: with several replicas the limit is multiplied by their number, which is still far
too low to guess a password.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from icefield_apiserver.core.errors import QuotaExceeded

WINDOW_SECONDS = 300
PER_PERSON_AND_ADDRESS = 10
PER_ADDRESS = 1000
"""Much more than the people behind one gateway mistype, and too little to try passwords on all of them."""
REMEMBERED = 10_000
"""Maximum number of windows; the least recently used ones are dropped."""
_IPV6_PREFIX = 64
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""A whole IPv4 internet in one /64 (RFC 6052, 2.1): the IPv4 address in its last 32 bits is what counts."""


@dataclass
class _Window:
    ends: float
    failures: int = 0


class FailedLogins:
    """Counts failures per person and address, and per address, in windows of five minutes.

    Of IPv6, the networks of hosts are counted in place of addresses (see `counted_as`). A person alone is not counted:
    whoever knows an e-mail address could lock its owner out.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: TTLCache[tuple[str, ...], _Window] = TTLCache(REMEMBERED, WINDOW_SECONDS, timer=clock)

    def attempt(self, email: str, address: str) -> None:
        """Start an attempt, counted as failed until `succeeded` is called, so that concurrent attempts count too.

        Raises:
            QuotaExceeded: there were too many failures; the message states the limit, Retry-After when it ends.
        """
        for key, limit in _limits(email, address):
            window = self._windows.get(key)
            if window and window.failures >= limit:
                seconds = math.ceil(window.ends - self._clock())
                raise QuotaExceeded(
                    f"Too many failed log-ins: max_failed_logins={limit}, current={window.failures}; try again in "
                    f"{seconds} s.",
                    retry_after=seconds,
                )
        for key, _ in _limits(email, address):
            if (window := self._windows.get(key)) is None:
                window = self._windows[key] = _Window(self._clock() + WINDOW_SECONDS)
            window.failures += 1

    def succeeded(self, email: str, address: str) -> None:
        """Do not count the last attempt as failed, and reset the count of this person at this address."""
        (of_person, _), (of_all, _) = _limits(email, address)
        self._windows.pop(of_person, None)
        if window := self._windows.get(of_all):
            window.failures = max(0, window.failures - 1)


def counted_as(address: str) -> str:
    """Return what the failures of an address are counted for: of IPv6 its /64, from which a host picks freely.

    (RFC 4291, 2.5.1: the last 64 bits are the interface's; RFC 8981: a host changes them as it likes.)

    Args:
        address: an IP address; of anything else, which is no address of a client, the text counts.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _NAT64:
        return str(ipaddress.IPv4Address(parsed.packed[-4:]))
    return str(ipaddress.IPv6Network((parsed.packed, _IPV6_PREFIX), strict=False))


def _limits(email: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    counted = counted_as(address)
    return (((email, counted), PER_PERSON_AND_ADDRESS), ((counted,), PER_ADDRESS))

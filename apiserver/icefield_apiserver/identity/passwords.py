"""Passwords: argon2id, computed in threads, a bounded number at a time (each takes 64 MiB while it runs)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from icefield_apiserver.core.errors import QuotaExceeded

AT_ONCE = 4
RETRY_SECONDS = 5
WAITING = 64
MIN_LENGTH = 10
MAX_LENGTH = 512

_hasher = PasswordHasher()


@cache
def _unmatched_hash() -> str:
    """Return a hash that no password matches, so that an unknown user takes as long as a known one."""
    return _hasher.hash("no password is this long: " + "x" * MAX_LENGTH)


class Passwords:
    """Hashes and verifies passwords without blocking the event loop."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)
        self._inside = 0

    async def hash(self, password: str) -> str:
        """Return the hash to store.

        Raises:
            QuotaExceeded: too many are waiting already.
        """
        with self._place():
            return await to_thread.run_sync(_hasher.hash, password, limiter=self._limiter)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password is the one that was hashed; it takes as long when there is no hash.

        Args:
            stored: the hash; None for a user who does not exist.
            password: the caller's password.

        Raises:
            QuotaExceeded: too many are waiting already.
        """
        with self._place():
            return await to_thread.run_sync(_matches, stored, password, limiter=self._limiter)

    @contextmanager
    def _place(self) -> Iterator[None]:
        ceiling = AT_ONCE + WAITING
        if self._inside >= ceiling:
            raise QuotaExceeded(
                f"Too many log-ins at once: max_concurrent_logins={ceiling}, current={self._inside}; try again in "
                f"{RETRY_SECONDS} s.",
                retry_after=RETRY_SECONDS,
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


def is_outdated(stored: str) -> bool:
    """Return whether the hash was made with weaker parameters than the current ones."""
    return _hasher.check_needs_rehash(stored)


def _matches(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _unmatched_hash(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False

"""Guessing passwords is slow, logging in is not, and memory stays bounded."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.identity import failures
from icefield_apiserver.identity.failures import PER_ADDRESS, PER_PERSON_AND_ADDRESS, WINDOW_SECONDS, FailedLogins


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ceiling_per_person_and_address_lifts_with_time() -> None:
    clock = Clock()
    logins = FailedLogins(clock)
    for _ in range(PER_PERSON_AND_ADDRESS):
        logins.attempt("a@b", "10.0.0.1")
    with pytest.raises(QuotaExceeded, match=r"max_failed_logins=10, current=10"):
        logins.attempt("a@b", "10.0.0.1")
    logins.attempt("a@b", "10.0.0.2")
    clock.now = WINDOW_SECONDS
    logins.attempt("a@b", "10.0.0.1")


def test_ceiling_per_address_counts_everybody_tried() -> None:
    logins = FailedLogins(Clock())
    for n in range(PER_ADDRESS):
        logins.attempt(f"{n}@b", "10.0.0.1")
    with pytest.raises(QuotaExceeded):
        logins.attempt("new@b", "10.0.0.1")


def test_success_is_no_failure() -> None:
    logins = FailedLogins(Clock())
    for _ in range(3 * PER_ADDRESS):
        logins.attempt("a@b", "10.0.0.1")
        logins.succeeded("a@b", "10.0.0.1")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "REMEMBERED", 100)
    logins = FailedLogins(Clock())
    for n in range(1000):
        logins.attempt(f"{n}@b", f"10.0.{n // 256}.{n % 256}")
    assert len(logins._windows) <= 100

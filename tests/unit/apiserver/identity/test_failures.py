"""Guessing passwords is slow, logging in is not, and memory stays bounded."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.identity import failures
from icefield_apiserver.identity.failures import (
    PER_ADDRESS,
    PER_PERSON_AND_ADDRESS,
    WINDOW_SECONDS,
    FailedLogins,
    counted_as,
)


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


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("64:ff9b::a00:1", "10.0.0.1"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_of_ipv6_a_network_is_counted(address: str, counted: str) -> None:
    assert counted_as(address) == counted


def test_the_addresses_of_an_ipv6_host_share_a_ceiling() -> None:
    logins = FailedLogins(Clock())
    for n in range(PER_PERSON_AND_ADDRESS):
        logins.attempt("a@b", f"2001:db8::{n:x}")
    with pytest.raises(QuotaExceeded):
        logins.attempt("a@b", "2001:db8::ffff")
    logins.attempt("a@b", "2001:db8:0:1::1")


def test_success_from_an_ipv6_host_resets_its_network() -> None:
    logins = FailedLogins(Clock())
    for n in range(3 * PER_ADDRESS):
        logins.attempt("a@b", f"2001:db8::{n:x}")
        logins.succeeded("a@b", f"2001:db8::{n:x}")

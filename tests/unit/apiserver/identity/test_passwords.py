"""Passwords are hashed beside the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio

import pytest

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.identity import passwords
from icefield_apiserver.identity.passwords import Passwords, is_outdated


async def test_only_the_password_matches() -> None:
    hashing = Passwords()
    stored = await hashing.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert not is_outdated(stored)
    assert await hashing.verify(stored, "correct horse battery")
    assert not await hashing.verify(stored, "wrong")
    assert not await hashing.verify("no hash at all", "wrong")


async def test_nobody_has_no_password() -> None:
    hashing = Passwords()
    assert not await hashing.verify(None, "wrong")
    assert not await hashing.verify(None, "no password is this long: " + "x" * passwords.MAX_LENGTH)


async def test_a_crowd_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 2)
    hashing = Passwords()
    answers = await asyncio.gather(*(hashing.verify(None, "x") for _ in range(12)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, QuotaExceeded)]
    assert answers.count(False) == passwords.AT_ONCE + 2
    assert len(refused) == 12 - passwords.AT_ONCE - 2

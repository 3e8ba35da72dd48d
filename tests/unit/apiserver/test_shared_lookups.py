"""Who shares a lookup with whom."""

from __future__ import annotations

import asyncio

import pytest

from icefield_apiserver.core.shared_lookups import SharedLookups


class Source:
    """What is looked up, and how often."""

    def __init__(self) -> None:
        self.value = "first"
        self.lookups: list[str] = []
        self.proceed = asyncio.Event()
        self.error: Exception | None = None

    async def look_up(self, key: str) -> str:
        self.lookups.append(key)
        found, error = self.value, self.error
        await self.proceed.wait()
        if error:
            raise error
        return found


async def until_asked(source: Source, times: int) -> None:
    while len(source.lookups) < times:  # noqa: ASYNC110 - a lookup begins in another task
        await asyncio.sleep(0)


async def test_those_who_ask_at_the_same_time_share_the_next_lookup() -> None:
    source = Source()
    lookups = SharedLookups(source.look_up)
    first = asyncio.ensure_future(lookups.get("k"))
    await until_asked(source, 1)
    source.value = "second"  # whoever asks from now on must see it
    others = [asyncio.ensure_future(lookups.get("k")) for _ in range(5)]
    await asyncio.sleep(0)
    source.proceed.set()
    assert await first == "first"
    assert await asyncio.gather(*others) == ["second"] * 5
    assert source.lookups == ["k", "k"]


async def test_nothing_is_kept() -> None:
    source = Source()
    source.proceed.set()
    lookups = SharedLookups(source.look_up)
    assert await lookups.get("k") == "first"
    source.value = "second"
    assert await lookups.get("k") == "second"
    assert (lookups._running, lookups._next) == ({}, {})


async def test_other_keys_do_not_wait() -> None:
    source = Source()
    lookups = SharedLookups(source.look_up)
    both = [asyncio.ensure_future(lookups.get(key)) for key in ("k", "l")]
    await until_asked(source, 2)
    source.proceed.set()
    assert await asyncio.gather(*both) == ["first", "first"]


async def test_one_who_is_cancelled_stops_nobody() -> None:
    source = Source()
    lookups = SharedLookups(source.look_up)
    first, second, third = (asyncio.ensure_future(lookups.get("k")) for _ in range(3))
    await until_asked(source, 1)
    first.cancel()
    second.cancel()
    source.proceed.set()
    assert await third == "first"
    assert (lookups._running, lookups._next) == ({}, {})


async def test_an_error_reaches_those_who_share_it_and_nobody_else() -> None:
    source = Source()
    lookups = SharedLookups(source.look_up)
    source.error = ConnectionError("away")
    first = asyncio.ensure_future(lookups.get("k"))
    await until_asked(source, 1)
    source.error = None
    second = asyncio.ensure_future(lookups.get("k"))
    await asyncio.sleep(0)
    source.proceed.set()
    with pytest.raises(ConnectionError):
        await first
    assert await second == "first"

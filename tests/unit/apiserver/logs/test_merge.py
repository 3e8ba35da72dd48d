"""Several logs as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

import pytest

from icefield_apiserver.features.logs.entry import Entry
from icefield_apiserver.features.logs.merge import OrderedLog, interleaved, latest, merged


def at(second: int) -> str:
    return f"2026-06-01T08:00:{second:02d}.000000000Z"


async def log(task: str, *seconds: int) -> AsyncIterator[Entry]:
    for second in seconds:
        await asyncio.sleep(0)
        yield Entry(at(second), f"{task}{second}", task, 0, b"{}")


async def test_lines_come_by_time_and_a_log_is_opened_in_its_turn() -> None:
    opened: list[str] = []

    def source(task: str, start: int | None, *seconds: int) -> OrderedLog:
        def begin() -> AsyncIterator[Entry]:
            opened.append(task)
            return log(task, *seconds)

        return OrderedLog("" if start is None else f"2026-06-01T08:00:{start:02d}Z", begin)

    sources = [source("c", 20, 21, 22), source("a", 1, 1, 5, 9), source("b", 4, 4, 6, 30), source("d", None, 2)]
    lines = []
    async for entry in merged(sources):
        lines.append(entry.message)
        if entry.message == "a9":
            assert "c" not in opened
    assert lines == ["a1", "d2", "b4", "a5", "b6", "a9", "c21", "c22", "b30"]
    assert [entry async for entry in merged([])] == []


async def test_the_last_lines_of_several_logs() -> None:
    logs = [partial(log, "a", 1, 5, 9), partial(log, "b", 4, 6), partial(log, "c")]
    assert [entry.message for entry in await latest(logs, 3)] == ["a5", "b6", "a9"]
    assert [entry.message for entry in await latest(logs, 99)] == ["a1", "b4", "a5", "b6", "a9"]
    assert await latest(logs, 0) == []


async def live(task: str, *seconds: int) -> AsyncIterator[list[Entry]]:
    async for entry in log(task, *seconds):
        yield [entry]


async def test_live_logs_that_start_later_are_read() -> None:
    async def logs() -> AsyncIterator[AsyncIterator[list[Entry]]]:
        yield live("a", 1, 2)
        await asyncio.sleep(0.01)
        yield live("b", 3)

    lines = [entry.message async for batch in interleaved(logs()) for entry in batch]
    assert sorted(lines) == ["a1", "a2", "b3"]


async def test_a_live_log_that_fails_fails_the_whole() -> None:
    async def broken() -> AsyncIterator[list[Entry]]:
        yield [Entry(at(1), "x", "a", 0, b"{}")]
        raise OSError("away")

    async def logs() -> AsyncIterator[AsyncIterator[list[Entry]]]:
        yield broken()

    with pytest.raises(ExceptionGroup):
        async for _ in interleaved(logs()):
            pass


async def test_a_live_log_is_not_read_ahead_of_a_slow_reader() -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[list[Entry]]:
        for number in range(1000):
            read.append(number)
            yield [Entry(at(1), str(number), "a", 0, b"{}")]

    async def logs() -> AsyncIterator[AsyncIterator[list[Entry]]]:
        yield endless()

    async with aclosing(interleaved(logs())) as lines:
        await anext(lines)
        for _ in range(50):
            await asyncio.sleep(0)
    assert len(read) <= 3


async def test_logs_that_are_not_read_to_their_end_are_closed() -> None:
    closed: list[str] = []

    async def endless(task: str) -> AsyncGenerator[Entry, None]:
        try:
            for second in range(60):
                await asyncio.sleep(0)
                yield Entry(at(second), task, task, 0, b"{}")
        finally:
            closed.append(task)

    async with aclosing(merged([OrderedLog("", partial(endless, task)) for task in ("a", "b")])) as lines:
        await anext(lines)
    assert sorted(closed) == ["a", "b"]

    async def batches(task: str) -> AsyncIterator[list[Entry]]:
        async with aclosing(endless(task)) as entries:
            async for entry in entries:
                yield [entry]

    async def logs() -> AsyncIterator[AsyncIterator[list[Entry]]]:
        yield batches("c")

    async with aclosing(interleaved(logs())) as followed:
        await anext(followed)
    assert closed[2:] == ["c"]

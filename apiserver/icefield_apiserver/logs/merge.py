"""Several logs as one, in the order of time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import anyio

from .entry import Entry


@dataclass(frozen=True)
class Source:
    """A log that may be opened.

    Attributes:
        start: RFC 3339; no line of it is older (by whole seconds). Empty when that is not known.
        open: begins to read it.
    """

    start: str
    open: Callable[[], AsyncIterator[Entry]]


async def merged(sources: Sequence[Source]) -> AsyncIterator[Entry]:
    """Yield the lines of all sources by time; a source is opened only when its turn comes."""
    waiting = sorted(sources, key=lambda source: source.start, reverse=True)
    heads: list[tuple[str, int, Entry, AsyncIterator[Entry]]] = []
    opened = 0

    async def advance(lines: AsyncIterator[Entry], number: int) -> None:
        if entry := await anext(lines, None):
            heapq.heappush(heads, (entry.timestamp, number, entry, lines))

    while heads or waiting:
        while waiting and (not heads or waiting[-1].start[:19] <= heads[0][0][:19]):
            opened += 1
            await advance(waiting.pop().open(), opened)
        if heads:
            _, number, entry, lines = heapq.heappop(heads)
            yield entry
            await advance(lines, number)


async def latest(logs: Sequence[Callable[[], AsyncIterator[Entry]]], count: int) -> list[Entry]:
    """Return the last lines by time of several logs, each of which yields no more than that itself.

    Args:
        logs: opens each; they are read one after another, so that no more than two of them are held in memory.
        count: how many lines are wanted.
    """
    last: list[Entry] = []
    for open_log in logs:
        lines = [entry async for entry in open_log()]
        last = list(heapq.merge(last, lines, key=lambda entry: entry.timestamp))[-count:] if count else []
    return last


async def interleaved(streams: AsyncIterator[AsyncIterator[Entry]], *, buffer: int) -> AsyncIterator[Entry]:
    """Yield lines of many live logs as they come.

    Args:
        streams: yields each log when it begins, and ends when no further will.
        buffer: how many lines are held for a slow reader before the logs have to wait.

    Raises:
        ExceptionGroup: a log could not be read on; what the others had said before was yielded.
    """
    heard, hearing = anyio.create_memory_object_stream[Entry](buffer)

    async def drain(lines: AsyncIterator[Entry]) -> None:
        async for entry in lines:
            await heard.send(entry)

    async def drain_all() -> None:
        with heard:
            async with asyncio.TaskGroup() as group:
                async for lines in streams:
                    group.create_task(drain(lines))

    producer = asyncio.create_task(drain_all())
    try:
        with hearing:
            async for entry in hearing:
                yield entry
            await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)

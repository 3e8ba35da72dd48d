"""Several logs as one, in the order of time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import anyio

from .entry import Entry


@dataclass(frozen=True)
class OrderedLog:
    """A log whose lines are ordered by time, not opened yet.

    Attributes:
        start: RFC 3339; no line is older (by whole seconds). Empty when unknown.
        open: starts reading it.
    """

    start: str
    open: Callable[[], AsyncIterator[Entry]]


async def merged(sources: Sequence[OrderedLog]) -> AsyncIterator[Entry]:
    """Yield the lines of all logs by time; a log is opened only when its first line may be next."""
    waiting = sorted(sources, key=lambda source: source.start, reverse=True)
    heads: list[tuple[str, int, Entry, AsyncIterator[Entry]]] = []
    opened = 0

    async def advance(lines: AsyncIterator[Entry], number: int) -> None:
        if entry := await anext(lines, None):
            heapq.heappush(heads, (entry.timestamp, number, entry, lines))

    try:
        while heads or waiting:
            while waiting and (not heads or waiting[-1].start[:19] <= heads[0][0][:19]):
                opened += 1
                await advance(waiting.pop().open(), opened)
            if heads:
                _, number, entry, lines = heads[0]
                yield entry
                heapq.heappop(heads)
                await advance(lines, number)
    finally:
        for *_, lines in heads:
            await _close(lines)


async def latest(logs: Sequence[Callable[[], AsyncIterator[Entry]]], count: int) -> list[Entry]:
    """Return the last lines by time of several logs, each of which yields at most as many lines.

    Args:
        logs: opens each; they are read one after another, so that at most two of them are held in memory.
        count: number of lines.
    """
    last: list[Entry] = []
    for open_log in logs:
        lines = [entry async for entry in open_log()]
        last = list(heapq.merge(last, lines, key=lambda entry: entry.timestamp))[-count:] if count else []
    return last


async def interleaved(streams: AsyncIterator[AsyncIterator[list[Entry]]]) -> AsyncGenerator[list[Entry], None]:
    """Yield lines of many live logs as they arrive; a log waits while its last lines have not been taken.

    Args:
        streams: yields each log when it starts, and ends after the last one.

    Raises:
        ExceptionGroup: reading a log failed; lines received before were yielded.
    """
    sender, receiver = anyio.create_memory_object_stream[list[Entry]](0)

    async def drain(log: AsyncIterator[list[Entry]]) -> None:
        try:
            async for lines in log:
                if lines:
                    await sender.send(lines)
        finally:
            await _close(log)

    async def drain_all() -> None:
        with sender:
            async with asyncio.TaskGroup() as group:
                async for log in streams:
                    group.create_task(drain(log))

    producer = asyncio.create_task(drain_all())
    try:
        with receiver:
            async for lines in receiver:
                yield lines
            await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)


async def _close(log: AsyncIterator[object]) -> None:
    """Close a log that is not read to its end: its connection would wait for the garbage collector."""
    if isinstance(log, AsyncGenerator):
        await log.aclose()

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


async def interleaved(streams: AsyncIterator[AsyncIterator[Entry]], *, buffer: int) -> AsyncIterator[Entry]:
    """Yield lines of many live logs as they arrive.

    Args:
        streams: yields each log when it starts, and ends after the last one.
        buffer: how many lines are held for a slow reader before reading pauses.

    Raises:
        ExceptionGroup: reading a log failed; lines received before were yielded.
    """
    sender, receiver = anyio.create_memory_object_stream[Entry](buffer)

    async def drain(lines: AsyncIterator[Entry]) -> None:
        try:
            async for entry in lines:
                await sender.send(entry)
        finally:
            await _close(lines)

    async def drain_all() -> None:
        with sender:
            async with asyncio.TaskGroup() as group:
                async for lines in streams:
                    group.create_task(drain(lines))

    producer = asyncio.create_task(drain_all())
    try:
        with receiver:
            async for entry in receiver:
                yield entry
            await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)


async def _close(lines: AsyncIterator[Entry]) -> None:
    """Close a log that is not read to its end: its connection would wait for the garbage collector."""
    if isinstance(lines, AsyncGenerator):
        await lines.aclose()

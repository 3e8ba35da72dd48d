"""Logs that grow while clients follow them, and how long each line takes to every client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import aiohttp
import orjson

TICK_SECONDS = 0.01
EVENT_END = b"\r\n\r\n"
DATA, PING = b"data: ", b": ping"


@dataclass
class GrowingLog:
    """A file of lines as a container runtime writes them; each says its number and when it was written."""

    file: Path
    written: int = 0
    _open: BinaryIO | None = None

    def __post_init__(self) -> None:
        """Create the file, in a folder of its own."""
        self.file.parent.mkdir(parents=True)
        self._open = self.file.open("ab", buffering=0)

    def write(self) -> None:
        """Append one line."""
        assert self._open is not None
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        at = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
        self._open.write(f"{at} stdout F {self.written} {time.perf_counter()}\n".encode())
        self.written += 1


@contextmanager
def growing(logs: Sequence[GrowingLog], lines_per_second: float) -> Iterator[None]:
    """Let every log grow, at the same rate but not at the same moments."""

    async def grow() -> None:
        started, written = time.perf_counter(), 0
        while True:
            due = int((time.perf_counter() - started) * lines_per_second * len(logs))
            for number in range(written, due):
                logs[number % len(logs)].write()
            written = due
            await asyncio.sleep(TICK_SECONDS)

    task = asyncio.create_task(grow())
    try:
        yield
    finally:
        task.cancel()


@dataclass
class Follower:
    """A client that follows the log of one run with server-sent events.

    Attributes:
        log: what it follows.
        took: seconds from writing a line to its arrival, of each line since this list was last cleared.
        next_line: number of the line that comes next.
        misplaced: how many lines were another one.
    """

    log: GrowingLog
    took: list[float] = field(default_factory=list)
    next_line: int = 0
    misplaced: int = 0
    _rest: bytes = b""

    async def follow(self, http: aiohttp.ClientSession, url: str) -> None:
        """Read until the server ends the stream, which it must not.

        Args:
            http: a session without limits.
            url: of the run.

        Raises:
            RuntimeError: the stream ended.
        """
        async with http.get(f"{url}/logs", params={"follow": "true"}) as answer:
            answer.raise_for_status()
            async for chunk in answer.content.iter_any():
                self._feed(chunk)
        raise RuntimeError(f"{url}: the stream ended before line {self.next_line}")

    def _feed(self, chunk: bytes) -> None:
        arrived = time.perf_counter()
        *events, self._rest = (self._rest + chunk).split(EVENT_END)
        for event in events:
            if event.startswith(PING):
                continue
            if not event.startswith(DATA):
                raise RuntimeError(event.decode())
            number, written_at = orjson.loads(event[len(DATA) :])["message"].split()
            self.took.append(arrived - float(written_at))
            self.misplaced += int(number) != self.next_line
            self.next_line = int(number) + 1

"""Converts the first rows of untrusted Arrow IPC streams into JSON, in decoder processes; see decoder.py."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import orjson

from .decoder import LENGTH, frame

log = logging.getLogger(__name__)

MAX_PROCESSES = 2
STARTED_IN_ADVANCE = 1
TIMEOUT_SECONDS = 60.0
"""Maximum duration of one stream."""
MAX_JSON_BYTES = 16 * 1024 * 1024
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class DecodingError(Exception):
    """A stream cannot be decoded; the text is the reason."""


@dataclass(frozen=True)
class Decoded:
    """The first rows of a stream.

    Attributes:
        column_types: their Polars types, or the Arrow types where none is recorded.
        count: number of decoded rows.
        rows: the rows, each a list, as the inside of a JSON list.
    """

    columns: list[str]
    column_types: list[str]
    count: int
    rows: bytes


class Decoders:
    """A pool of decoder processes, each used for one stream after the other; some are started in advance."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_PROCESSES)
        self._idle: list[Process] = []

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Open the pool for the duration of the context."""
        decoders = cls()
        decoders._idle += [await _start() for _ in range(STARTED_IN_ADVANCE)]
        try:
            yield decoders
        finally:
            for process in decoders._idle:
                await _stop(process)

    async def first_rows(self, chunks: AsyncGenerator[bytes, None], rows: int) -> Decoded:
        """Return the first rows of a stream whose JSON fits into MAX_JSON_BYTES.

        Args:
            chunks: the stream; it is read no further than needed.
            rows: maximum number of rows.

        Raises:
            DecodingError: the stream cannot be decoded.
        """
        async with self._places:
            process = await self._take()
            is_good = False
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    head, content = await _exchange(process, chunks, rows)
                is_good = not head["is_last"]
            except TimeoutError as error:
                raise DecodingError("it takes too long") from error
            except (EOFError, OSError) as error:  # asyncio.IncompleteReadError is an EOFError
                log.error("a result crashed its decoder process: %s", type(error).__name__)
                raise DecodingError("it is not an Arrow stream as sandboxes write it") from error
            finally:
                if is_good:
                    self._idle.append(process)
                else:
                    await _stop(process)
        if "error" in head:
            raise DecodingError(head["error"])
        return Decoded(head["columns"], head["column_types"], head["count"], content)

    async def _take(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return await _start()


async def _start() -> Process:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "icefield_apiserver.core.arrow.decoder", stdin=PIPE, stdout=PIPE, env=environment
    )


async def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())


async def _exchange(process: Process, chunks: AsyncGenerator[bytes, None], rows: int) -> tuple[dict[str, Any], bytes]:
    """Send a stream, and return the response as soon as it arrives, even before the end of the stream."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise OSError("the process has no pipes")
    stdin.write(frame(orjson.dumps({"rows": rows, "bytes": MAX_JSON_BYTES})))
    sending = asyncio.ensure_future(_send(stdin, chunks))
    answering = asyncio.ensure_future(_answer(stdout))
    is_sent = False
    try:
        await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            with suppress(ConnectionError):  # the response has the reason why the process stopped reading
                await sending
                is_sent = True
                stdin.write(frame(b""))
        head, content = await answering
    finally:
        answering.cancel()
        sending.cancel()
        await asyncio.gather(sending, answering, return_exceptions=True)
    if not is_sent and not head["is_last"]:
        stdin.write(frame(b""))
    return head, content


async def _send(stdin: asyncio.StreamWriter, chunks: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk:
                stdin.write(frame(chunk))
                await stdin.drain()
                # Neither the source nor drain() waits while both are fast, and the response would not be noticed.
                await asyncio.sleep(0)


async def _answer(stdout: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    head = orjson.loads(await _read_frame(stdout))
    return head, await _read_frame(stdout)


async def _read_frame(stdout: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
    return await stdout.readexactly(length)

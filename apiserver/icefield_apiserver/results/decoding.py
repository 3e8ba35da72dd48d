"""Has the beginning of Arrow IPC streams turned into JSON, by processes of its own; see decoder.py for why."""

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

AT_ONCE = 2
SECONDS = 60.0
"""How long one stream may take."""
MAX_JSON_BYTES = 16 * 1024 * 1024
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class DecodingError(Exception):
    """A stream cannot be read; the text says why."""


@dataclass(frozen=True)
class Decoded:
    """The first rows of a stream.

    Attributes:
        column_types: what Polars calls them, or Arrow where Polars said nothing.
        count: how many rows there are here.
        rows: each a list, as the inside of a JSON list.
    """

    columns: list[str]
    column_types: list[str]
    count: int
    rows: bytes


class Decoders:
    """A few processes, each used for one stream after the other; one stands ready from the start."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: list[Process] = []

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Give them for as long as the context lasts."""
        decoders = cls()
        decoders._idle.append(await _started())
        try:
            yield decoders
        finally:
            for process in decoders._idle:
                await _ended(process)

    async def first_rows(self, chunks: AsyncGenerator[bytes, None], rows: int) -> Decoded:
        """Return the first rows of a stream, so many at most, and as many as have room in MAX_JSON_BYTES.

        Args:
            chunks: the stream; it is read no further than needed.
            rows: most rows.

        Raises:
            DecodingError: it cannot be read.
        """
        async with self._places:
            process = await self._take()
            is_good = False
            try:
                async with asyncio.timeout(SECONDS):
                    head, content = await _asked(process, chunks, rows)
                is_good = not head["is_last"]
            except TimeoutError as error:
                raise DecodingError("it takes too long") from error
            except (EOFError, OSError) as error:  # asyncio.IncompleteReadError is an EOFError
                log.error("a result ended the process that read it: %s", type(error).__name__)
                raise DecodingError("it is no Arrow stream as sandboxes write it") from error
            finally:
                if is_good:
                    self._idle.append(process)
                else:
                    await _ended(process)
        if "error" in head:
            raise DecodingError(head["error"])
        return Decoded(head["columns"], head["column_types"], head["count"], content)

    async def _take(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return await _started()


async def _started() -> Process:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "icefield_apiserver.results.decoder", stdin=PIPE, stdout=PIPE, env=environment
    )


async def _ended(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())


async def _asked(process: Process, chunks: AsyncGenerator[bytes, None], rows: int) -> tuple[dict[str, Any], bytes]:
    """Hand over a stream, and return the answer as soon as it is there, be the stream at its end or not."""
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
            with suppress(ConnectionError):  # the answer says why the process takes no more
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


async def _answer(stdout: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    head = orjson.loads(await _read_frame(stdout))
    return head, await _read_frame(stdout)


async def _read_frame(stdout: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
    return await stdout.readexactly(length)

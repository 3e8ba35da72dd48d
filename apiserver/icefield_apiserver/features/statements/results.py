"""Results: one Arrow IPC stream each, with an index of the position of every batch.

A short one is part of its statement's record. Any other is an object of the store, read with the platform's own
credentials; at most one batch and the next one are held at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from icefield_apiserver.core.arrow.cells import json_of, rows_of
from icefield_apiserver.core.errors import NotFound, Unavailable
from icefield_apiserver.core.objects.transfers import Bucket, ObjectStoreError, ObjectStream
from icefield_crds.wire.gateway import ResultIndex

UNREACHABLE = "The object store cannot be reached at the moment; try again shortly."
GONE = "The result of the statement no longer exists; run it again."


ARROW = "application/vnd.apache.arrow.stream"
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The end of an Arrow IPC stream (Arrow columnar format, "IPC Streaming Format")."""


@dataclass(frozen=True)
class Result:
    """The result of a statement.

    Attributes:
        index: where its batches are.
        content: all of it, where it is in the statement's record; None where it is in the object store.
    """

    index: ResultIndex
    content: bytes | None = None


class ResultStore:
    """Reads and deletes results.

    Args:
        bucket: the platform's bucket.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def delete(self, key: str) -> None:
        """Delete a result; a missing one is no error.

        Raises:
            ObjectStoreError: the store refuses the request or is unreachable.
        """
        await self._bucket.delete(key)

    async def internal_url(self, result: Result) -> str:
        """Return a URL from which pods of this cluster can read a result for some minutes.

        Raises:
            Unavailable: the result has to be put into the store first, which is unreachable.
        """
        return await self._bucket.presign(await self._stored_key(result))

    async def external_url(self, result: Result) -> str:
        """Return a URL from which clients outside the cluster can read a result for some minutes; see internal_url."""
        return await self._bucket.presign_external(await self._stored_key(result))

    async def stream(self, result: Result) -> AsyncIterator[bytes]:
        """Start to read a result, and return its bytes as they arrive.

        Raises:
            NotFound: it no longer exists.
            Unavailable: the store is unreachable.
        """
        if result.content is not None:
            return _pieces([result.content])
        with _translated_errors():
            return (await self._bucket.open_object(result.index.key)).chunks()

    async def first_rows(self, result: Result, rows: int, size: int) -> bytes:
        """Return the first rows of a result as an Arrow IPC stream, cut as the gateway cuts those of its answer.

        Args:
            result: the result.
            rows: how many at most.
            size: how many bytes their batches have at most.

        Raises:
            NotFound: the result no longer exists.
            Unavailable: the store is unreachable.
        """
        index = result.index
        cuts = [cut for cut in _cuts(index, 0, rows) if cut.first < cut.last]
        # The batch that does not fit is cut, so it is read; those behind it are not.
        end, left = index.schema_bytes, size
        for number, cut in enumerate(cuts):
            end, left = cut.offset + cut.length, left - cut.length
            if left < 0:
                cuts = cuts[: number + 1]
                break
        if result.content is not None:
            head = result.content[:end]
        else:
            with _translated_errors(), closing(await self._open(index.key, 0, end)) as stream:
                head = await stream.read_exactly(end)
        return await asyncio.to_thread(_head, head, index.schema_bytes, cuts, size)

    async def json_rows(self, result: Result, start: int = 0, count: int | None = None) -> AsyncIterator[bytes]:
        """Start to read rows, and return pieces of JSON whose concatenation is the inside of a list.

        Args:
            result: the result.
            start: the first row, from 0.
            count: number of rows; None for all that follow.

        Raises:
            NotFound: the result no longer exists.
            Unavailable: the store is unreachable.
        """
        index = result.index
        end = index.rows if count is None else min(start + count, index.rows)
        cuts = [cut for cut in _cuts(index, start, end) if cut.first < cut.last]
        if not cuts:
            return _pieces([])
        if result.content is not None:
            return _pieces(_encoded_content(result.content, index.schema_bytes, cuts))
        with _translated_errors():
            head = await self._open(index.key, 0, index.schema_bytes)
            with closing(head):
                schema = pa.ipc.read_schema(pa.py_buffer(await head.read_exactly(index.schema_bytes)))
            begin = cuts[0].offset
            batches = await self._open(index.key, begin, cuts[-1].offset + cuts[-1].length - begin)
        return _encoded(batches, schema, cuts)

    async def _stored_key(self, result: Result) -> str:
        """Return the key of a result, which is put into the store where it is in the record only."""
        key, content = result.index.key, result.content
        if content is not None:
            with _translated_errors():
                await self._bucket.write(key, ARROW, _pieces([content]))
        return key

    async def _open(self, key: str, offset: int, length: int) -> ObjectStream:
        return await self._bucket.open_object(key, f"bytes={offset}-{offset + length - 1}")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except ObjectStoreError as error:
        raise NotFound(GONE) if error.status in (404, 416) else Unavailable(UNREACHABLE) from error


@dataclass(frozen=True)
class _Cut:
    """The requested rows (from first, up to but without last) of a batch, and the position of the batch."""

    offset: int
    length: int
    first: int
    last: int


def _cuts(result: ResultIndex, start: int, end: int) -> list[_Cut]:
    cuts, begin = [], 0
    for rows, offset, length in result.batches:
        cuts.append(_Cut(offset, length, max(start - begin, 0), min(end - begin, rows)))
        begin += rows
    return cuts


async def _encoded(stream: ObjectStream, schema: pa.Schema, cuts: list[_Cut]) -> AsyncIterator[bytes]:
    """Yield batch after batch as JSON; while one is being encoded in a thread, the next is read."""
    with closing(stream):
        position = cuts[0].offset
        upcoming = asyncio.ensure_future(_exactly(stream, cuts[0].length))
        try:
            for number, cut in enumerate(cuts):
                message = await upcoming
                position += cut.length
                if number + 1 < len(cuts):
                    after = cuts[number + 1]
                    upcoming = asyncio.ensure_future(_exactly(stream, after.length, skip=after.offset - position))
                    position = after.offset
                encoded = await asyncio.to_thread(_encode, schema, message, cut)
                yield b"," + encoded if number else encoded
        finally:
            upcoming.cancel()


def _encoded_content(content: bytes, schema_bytes: int, cuts: list[_Cut]) -> Iterator[bytes]:
    """Yield batch after batch of a result in memory as JSON."""
    schema = pa.ipc.read_schema(pa.py_buffer(content[:schema_bytes]))
    for number, cut in enumerate(cuts):
        encoded = _encode(schema, content[cut.offset : cut.offset + cut.length], cut)
        yield b"," + encoded if number else encoded


def _encode(schema: pa.Schema, message: bytes, cut: _Cut) -> bytes:
    batch = pa.ipc.read_record_batch(pa.py_buffer(message), schema)
    return json_of(rows_of(batch.slice(cut.first, cut.last - cut.first)))


def _head(content: bytes, schema_bytes: int, cuts: list[_Cut], size: int) -> bytes:
    """Return an Arrow IPC stream of what fits of the batches; the one that does not is halved until it does."""
    schema = pa.ipc.read_schema(pa.py_buffer(content[:schema_bytes]))
    pieces: list[bytes | pa.Buffer] = [content[:schema_bytes]]
    for cut in cuts:
        batch = pa.ipc.read_record_batch(pa.py_buffer(content[cut.offset : cut.offset + cut.length]), schema)
        batch = batch.slice(0, cut.last)
        message = batch.serialize()
        is_whole = message.size <= size
        while message.size > size and batch.num_rows > 1:
            batch = batch.slice(0, batch.num_rows // 2)
            message = batch.serialize()
        if message.size <= size:
            pieces.append(message)
            size -= message.size
        if not is_whole:
            break
    return b"".join([*pieces, END])


async def _exactly(stream: ObjectStream, length: int, skip: int = 0) -> bytes:
    if skip:
        await stream.read_exactly(skip)
    return await stream.read_exactly(length)


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def as_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return orjson.dumps(value)

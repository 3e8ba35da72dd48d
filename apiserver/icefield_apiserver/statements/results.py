"""Results in the object store: one Arrow IPC stream each, whose index says where every batch lies.

They are read with the platform's own credentials, by plain GETs of presigned URLs: reading an object as fast as it
comes needs larger buffers than an S3 client has. At most one batch, and the next, are held at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson
import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from icefield_apiserver.errors import NotFound, Unavailable
from icefield_apiserver.object_store import open_client
from icefield_apiserver.results.cells import json_of, rows_of
from icefield_apiserver.results.download import DownloadError, Downloads
from icefield_apiserver.settings import ObjectStoreSettings

CHUNK_BYTES = 1024 * 1024
URL_SECONDS = 300
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
AWAY = "The object store cannot be reached at the moment; try again shortly."
GONE = "The result of the statement is not there any more; run it again."


@dataclass(frozen=True)
class Result:
    """Where a result lies.

    Attributes:
        key: key of the object.
        size: its length in bytes.
        schema_bytes: length of the schema's message, with which it begins.
        batches: (rows, offset, length) of each record batch.
    """

    key: str
    size: int
    schema_bytes: int
    batches: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, index: dict[str, Any]) -> Result:
        """Return the result that the gateway described."""
        batches = tuple((int(rows), int(offset), int(length)) for rows, offset, length in index["batches"])
        return cls(index["key"], int(index["bytes"]), int(index["schema_bytes"]), batches)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(rows for rows, _, _ in self.batches)


class ResultStore:
    """Reads and deletes results.

    Args:
        s3: an aiobotocore S3 client.
        outside: one that calls the store as clients outside the cluster do; only its links are used.
        session: connections for reading parts.
        downloads: reads whole results.
        bucket: the platform's bucket.
    """

    def __init__(
        self, s3: Any, outside: Any, session: aiohttp.ClientSession, downloads: Downloads, bucket: str
    ) -> None:
        self._s3 = s3
        self._outside = outside
        self._session = session
        self._downloads = downloads
        self._bucket = bucket

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ObjectStoreSettings) -> AsyncIterator[Self]:
        """Give the store for as long as the context lasts; nothing is asked of it yet."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=256, keepalive_timeout=15)
        async with (
            open_client(settings) as s3,
            open_client(settings, settings.external_endpoint) as outside,
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                read_bufsize=2 * CHUNK_BYTES,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
        ):
            downloads = Downloads()
            try:
                yield cls(s3, outside, session, downloads, settings.bucket)
            finally:
                downloads.close()

    async def delete(self, key: str) -> None:
        """Delete a result; one that is gone already is no error.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the store refuses or is away.
        """
        await self._s3.delete_object(Bucket=self._bucket, Key=key)

    async def inside_link(self, result: Result) -> str:
        """Return a URL at which the object store hands out a result for some minutes, to pods of this cluster."""
        return await self._url(result.key)

    async def outside_link(self, result: Result) -> str:
        """Return a URL at which the object store hands out a result for some minutes, to clients elsewhere."""
        return await self._presigned(self._outside, result.key)

    async def stream(self, result: Result) -> AsyncIterator[bytes]:
        """Begin to read a result, and return its bytes as they come.

        Raises:
            NotFound: it is not there any more.
            Unavailable: the store cannot be reached.
        """
        try:
            return await self._downloads.begin(await self._url(result.key))
        except DownloadError as error:
            raise NotFound(GONE) if error.status == 404 else Unavailable(AWAY) from error

    async def json_rows(self, result: Result, start: int = 0, count: int | None = None) -> AsyncIterator[bytes]:
        """Begin to read rows, and return them as pieces of JSON that make a list's inside when joined.

        Args:
            result: where they are.
            start: the first row, from 0.
            count: how many; None for all that follow.

        Raises:
            NotFound: the result is not there any more.
            Unavailable: the store cannot be reached.
        """
        end = result.rows if count is None else min(start + count, result.rows)
        cuts = [cut for cut in _cuts(result, start, end) if cut.first < cut.last]
        stack = AsyncExitStack()
        if not cuts:
            return _nothing()
        schema_reader = await self._open(stack, result.key, 0, result.schema_bytes)
        async with stack:
            schema = pa.ipc.read_schema(pa.py_buffer(await _exactly(schema_reader, result.schema_bytes)))
        begin = cuts[0].offset
        reader = await self._open(stack, result.key, begin, cuts[-1].offset + cuts[-1].length - begin)
        return _encoded(stack, reader, schema, cuts)

    async def _open(self, stack: AsyncExitStack, key: str, offset: int, length: int) -> aiohttp.StreamReader:
        """Begin to read a part of an object; the connection is given back with the stack."""
        try:
            request = self._session.get(
                URL(await self._url(key), encoded=True), headers={"Range": f"bytes={offset}-{offset + length - 1}"}
            )
            response = await stack.enter_async_context(request)
        except (aiohttp.ClientError, TimeoutError, BotoCoreError, ClientError) as error:
            await stack.aclose()
            raise Unavailable(AWAY) from error
        if response.status in (200, 206):
            return response.content
        await stack.aclose()
        raise NotFound(GONE) if response.status in (404, 416) else Unavailable(AWAY)

    async def _url(self, key: str) -> str:
        return await self._presigned(self._s3, key)

    async def _presigned(self, s3: Any, key: str) -> str:
        params = {"Bucket": self._bucket, "Key": key}
        url: str = await s3.generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS)
        return url


@dataclass(frozen=True)
class _Cut:
    """Which rows (first to last, without the last) of a batch are wanted, and where the batch lies."""

    offset: int
    length: int
    first: int
    last: int


def _cuts(result: Result, start: int, end: int) -> list[_Cut]:
    cuts, begin = [], 0
    for rows, offset, length in result.batches:
        cuts.append(_Cut(offset, length, max(start - begin, 0), min(end - begin, rows)))
        begin += rows
    return cuts


async def _encoded(
    stack: AsyncExitStack, reader: aiohttp.StreamReader, schema: pa.Schema, cuts: list[_Cut]
) -> AsyncIterator[bytes]:
    """Yield batch after batch as JSON; while one is being encoded in a thread, the next is read."""
    async with stack:
        position = cuts[0].offset
        upcoming = asyncio.ensure_future(_exactly(reader, cuts[0].length))
        try:
            for number, cut in enumerate(cuts):
                message = await upcoming
                position += cut.length
                if number + 1 < len(cuts):
                    after = cuts[number + 1]
                    upcoming = asyncio.ensure_future(_exactly(reader, after.length, skip=after.offset - position))
                    position = after.offset
                encoded = await asyncio.to_thread(_encode, schema, message, cut)
                yield b"," + encoded if number else encoded
        finally:
            upcoming.cancel()


def _encode(schema: pa.Schema, message: bytes, cut: _Cut) -> bytes:
    batch = pa.ipc.read_record_batch(pa.py_buffer(message), schema)
    return json_of(rows_of(batch.slice(cut.first, cut.last - cut.first)))


async def _exactly(reader: aiohttp.StreamReader, length: int, skip: int = 0) -> bytes:
    if skip:
        await reader.readexactly(skip)
    return await reader.readexactly(length)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # never reached: it makes this an iterator


def as_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return orjson.dumps(value)

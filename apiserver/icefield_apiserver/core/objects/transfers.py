"""Transfers with one bucket of an S3 object store: list, read, write, delete and presigned URLs.

No other module uses an S3 client. Objects are read with plain GETs of presigned URLs: aiohttp returns what the
socket holds in large chunks, where the S3 client's own reader copies small ones.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential
from yarl import URL

from icefield_apiserver.core.settings import ObjectStoreSettings
from icefield_kube.bodies import read_start

from .aws import ca_bundle, create_client
from .multipart import upload

CHUNK_BYTES = 128 * 1024
"""Chunks of a stream have at least this size, except for the last; the event loop reads up to 256 KiB at once."""
BUFFER_BYTES = 64 * 1024
"""Reading from the socket pauses while twice as much is buffered: larger buffers leave the CPU's cache (measured)."""
URL_SECONDS = 300
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
CALL_SECONDS = 60.0
ATTEMPTS = 3
MAX_CONNECTIONS = 256
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_CODE = re.compile(r"<Code>([^<]+)</Code>")
_MAX_ERROR_BYTES = 16 * 1024


class ObjectStoreError(Exception):
    """The object store refused a request, or is unreachable.

    Args:
        status: HTTP status of the response; None when there was no response.
        code: S3 error code, such as NoSuchKey; empty when unknown.
        message: for logs.
    """

    def __init__(self, status: int | None, code: str = "", message: str = "") -> None:
        super().__init__(message or f"status {status} {code}".strip())
        self.status = status
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether the object does not exist."""
        return self.code in _MISSING or (self.status == 404 and not self.code)


@dataclass(frozen=True)
class BucketAccess:
    """A bucket and the key that opens it.

    Attributes:
        endpoint: URL of the object store, as this process reaches it.
        external_endpoint: URL of the object store for clients outside the cluster; None where it is the same.
    """

    endpoint: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    external_endpoint: str | None = None

    @classmethod
    def of_platform(cls, settings: ObjectStoreSettings) -> BucketAccess:
        """Return the access to the platform's bucket."""
        return cls(
            endpoint=settings.endpoint,
            region=settings.region,
            bucket=settings.bucket,
            access_key_id=settings.access_key_id,
            secret_access_key=settings.secret_access_key.get_secret_value(),
            external_endpoint=settings.external_endpoint,
        )


@dataclass(frozen=True)
class ObjectInfo:
    """An object in a listing."""

    key: str
    size: int
    modified: datetime
    etag: str


@dataclass(frozen=True)
class Listing:
    """A page of a listing.

    Attributes:
        objects: the objects, by key.
        prefixes: the common prefixes up to the delimiter, by name.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]


class ObjectStream:
    """The bytes of an object, or of a range of it; closed at its end, or with `close`.

    Attributes:
        status: 200, or 206 for a range.
        headers: headers of the store's response.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes in chunks of at least CHUNK_BYTES, the last one shorter.

        Raises:
            ObjectStoreError: the connection broke.
        """
        content = self._response.content
        try:
            with _connection_errors():
                while True:
                    pieces: list[bytes] = []
                    size = 0
                    while size < CHUNK_BYTES and (piece := await content.readany()):
                        pieces.append(piece)
                        size += len(piece)
                    if not pieces:
                        return
                    yield b"".join(pieces) if len(pieces) > 1 else pieces[0]
        finally:
            self.close()

    async def read_exactly(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            ObjectStoreError: the connection broke, or the object ends before.
        """
        with _connection_errors():
            return await self._response.content.readexactly(size)

    async def read(self) -> bytes:
        """Return all bytes.

        Raises:
            ObjectStoreError: the connection broke.
        """
        with _connection_errors():
            return await self._response.read()

    def close(self) -> None:
        """Close the stream, and the connection where bytes are left to read."""
        self._response.close()


class Bucket:
    """Reads and writes the objects of one bucket.

    Args:
        access: the bucket.
        s3: an S3 client.
        external: an S3 client for the external endpoint, which only presigns.
        http: connections for reading.
    """

    def __init__(self, access: BucketAccess, s3: Any, external: Any, http: aiohttp.ClientSession) -> None:
        self.name = access.bucket
        self._s3 = s3
        self._external = external
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, access: BucketAccess, http: aiohttp.ClientSession) -> AsyncIterator[Self]:
        """Open a bucket for the duration of the context, without a request yet."""
        async with _client(access, access.endpoint) as s3:
            if access.external_endpoint in (None, access.endpoint):
                yield cls(access, s3, s3, http)
                return
            async with _client(access, access.external_endpoint) as external:
                yield cls(access, s3, external, http)

    async def list(self, prefix: str, *, delimiter: str = "", start_after: str = "") -> AsyncIterator[Listing]:
        """Yield the pages of a listing.

        Args:
            prefix: prefix of the keys.
            delimiter: keys are grouped by what follows the prefix up to this text; empty for no grouping.
            start_after: list keys greater than this.
        """
        query = {"Bucket": self.name, "Prefix": prefix, "Delimiter": delimiter, "StartAfter": start_after}
        pages = self._s3.get_paginator("list_objects_v2").paginate(**{name: v for name, v in query.items() if v})
        with _client_errors():
            async for page in pages:
                yield Listing(
                    [_listed(each) for each in page.get("Contents", ())],
                    [each["Prefix"] for each in page.get("CommonPrefixes", ())],
                )

    async def is_empty(self, prefix: str) -> bool:
        """Return whether no key has a prefix."""
        with _client_errors():
            page = await self._s3.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)
        return not page.get("Contents")

    async def head(self, key: str) -> ObjectInfo:
        """Return an object's size and time of modification."""
        with _client_errors():
            head = await self._s3.head_object(Bucket=self.name, Key=key)
        return ObjectInfo(key, head["ContentLength"], head["LastModified"], head["ETag"].strip('"'))

    async def open_object(self, key: str, byte_range: str | None = None) -> ObjectStream:
        """Start to read an object.

        Args:
            key: its key.
            byte_range: value of the header Range; None for the whole object.
        """
        headers = {"Range": byte_range} if byte_range else {}
        attempts = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.1),
            retry=retry_if_exception(_is_retryable),
            reraise=True,
        )
        return await attempts(self._get, key, headers)

    async def read(self, key: str) -> bytes:
        """Return the content of a small object."""
        return await (await self.open_object(key)).read()

    async def write(self, key: str, content_type: str, chunks: AsyncIterator[bytes]) -> int:
        """Write an object as its bytes arrive, and return its size; an upload that fails leaves nothing behind."""
        with _client_errors():
            return await upload(self._s3, self.name, key, content_type, chunks)

    async def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        with _client_errors():
            await self._s3.delete_object(Bucket=self.name, Key=key)

    async def delete_all(self, prefix: str) -> None:
        """Delete every object with a prefix."""
        async for page in self.list(prefix):
            await self.delete_many([each.key for each in page.objects])

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete objects, at most 1,000; missing ones are no error."""
        if keys:
            objects = [{"Key": key} for key in keys]
            with _client_errors():
                await self._s3.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})

    async def presign(self, key: str) -> str:
        """Return a URL from which this cluster can read an object for URL_SECONDS."""
        return await self._presign(self._s3, key)

    async def presign_external(self, key: str) -> str:
        """Return a URL from which clients outside the cluster can read an object for URL_SECONDS."""
        return await self._presign(self._external, key)

    async def _presign(self, client: Any, key: str) -> str:
        params = {"Bucket": self.name, "Key": key}
        with _client_errors():
            url: str = await client.generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS)
        return url

    async def _get(self, key: str, headers: dict[str, str]) -> ObjectStream:
        url = URL(await self.presign(key), encoded=True)
        with _connection_errors():
            response = await self._http.get(url, headers=headers, allow_redirects=False)
            if response.status in (200, 206):
                return ObjectStream(response)
            body = await read_start(response, _MAX_ERROR_BYTES)
            response.close()
        code = _CODE.search(body.decode(errors="replace"))
        raise ObjectStoreError(response.status, code[1] if code else "")


def _listed(entry: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(entry["Key"], entry["Size"], entry["LastModified"], entry["ETag"].strip('"'))


@asynccontextmanager
async def open_http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the connections with which objects are read, for the duration of the context."""
    trust = ssl.create_default_context(cafile=ca_bundle())
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=15, ssl=trust),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
        read_bufsize=BUFFER_BYTES,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield session


def _client(access: BucketAccess, endpoint: str | None) -> Any:
    config = AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=CALL_SECONDS,
        retries={"max_attempts": ATTEMPTS, "mode": "standard"},
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=50,
    )
    return create_client("s3", endpoint, access, config)


@contextmanager
def _client_errors() -> Iterator[None]:
    """Raise ObjectStoreError for errors of the S3 client."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        raise ObjectStoreError(status, str(error.response.get("Error", {}).get("Code", "")), str(error)) from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise ObjectStoreError(None, message=f"{type(error).__name__}: {error}") from error


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Raise ObjectStoreError for errors of the connection."""
    try:
        yield
    except (aiohttp.ClientError, EOFError, OSError, TimeoutError) as error:  # IncompleteReadError is an EOFError
        raise ObjectStoreError(None, message=f"{type(error).__name__}: {error}") from error


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ObjectStoreError) and (error.status is None or error.status >= 500)

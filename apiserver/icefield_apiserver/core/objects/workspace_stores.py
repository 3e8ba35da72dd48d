"""Files of workspaces in the object store, accessed with each workspace's own keys, which open only its prefix."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import aiohttp
from cachetools import LRUCache

from icefield_apiserver.core.errors import ApiError, BadRequest, Conflict, NotFound, TooLarge, Unavailable
from icefield_apiserver.core.kube.secrets import ObjectStoreKeys, WorkspaceSecrets

from .transfers import Bucket, BucketAccess, ObjectInfo, ObjectStoreError

log = logging.getLogger(__name__)

MAX_BUCKETS = 256
CLOSE_AFTER_SECONDS = 3600.0
"""How long an evicted bucket stays open: it may still be in use."""

_PATH_CONFLICT = frozenset({"ObjectParentIsFile", "ExistingObjectIsDirectory", "DirectoryObjectContainsData"})
_HEADERS = ("Content-Length", "Content-Range", "ETag", "Last-Modified")


@dataclass(frozen=True)
class FileEntry:
    """A file or folder in a listing.

    Attributes:
        path: path below the listed prefix, without a trailing slash.
        size: bytes; 0 for a folder.
        modified: when the file was last written; None for a folder.
    """

    path: str
    is_directory: bool
    size: int
    modified: datetime | None

    @property
    def key(self) -> str:
        """Sort key of a listing, as the object store orders it: a folder has a trailing slash."""
        return f"{self.path}/" if self.is_directory else self.path


@dataclass(frozen=True)
class FileDownload:
    """A file, or a range of it, that is being read.

    Attributes:
        status: 200, or 206 for a range.
        headers: headers for the caller's response.
        chunks: the bytes.
    """

    status: int
    headers: dict[str, str]
    chunks: AsyncGenerator[bytes, None]


class WorkspaceStores:
    """Reads and writes files below a workspace's prefix, with one open bucket for each set of keys.

    Args:
        secrets: the keys.
        http: connections for reading.
    """

    def __init__(self, secrets: WorkspaceSecrets, http: aiohttp.ClientSession) -> None:
        self._secrets = secrets
        self._http = http
        self._buckets = _OpenBuckets(MAX_BUCKETS)
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets, http: aiohttp.ClientSession) -> AsyncIterator[Self]:
        """Open the stores for the duration of the context, without a request yet."""
        stores = cls(secrets, http)
        try:
            yield stores
        finally:
            await stores._buckets.close()

    async def list(self, workspace: str, prefix: str, folder: str, after: str | None, limit: int) -> list[FileEntry]:
        """Return the direct content of a folder, by key.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a trailing slash.
            folder: path of the folder, normalised; empty for the volume itself.
            after: return keys greater than this.
            limit: maximum number of entries.
        """
        bucket = await self._bucket(workspace)
        root = f"{prefix}/"
        below = f"{root}{folder}/" if folder else root
        start_after = f"{root}{after}" if after is not None else ""
        found: list[FileEntry] = []
        with _translated_errors(folder):
            async for page in bucket.list(below, delimiter="/", start_after=start_after):
                entries = [
                    FileEntry(each.key.removeprefix(root), False, each.size, each.modified)
                    for each in page.objects
                    if each.key != below
                ]
                entries += [FileEntry(each.removeprefix(root).rstrip("/"), True, 0, None) for each in page.prefixes]
                found += [entry for entry in entries if after is None or entry.key > after]
                if len(found) >= limit:
                    break
        return sorted(found, key=lambda entry: entry.key)[:limit]

    async def list_below(self, workspace: str, prefix: str, limit: int) -> Sequence[ObjectInfo]:
        """Return all files whose keys have a prefix, by key, and no more than `limit`."""
        bucket = await self._bucket(workspace)
        found: deque[ObjectInfo] = deque()
        with _translated_errors(prefix):
            async for page in bucket.list(prefix):
                found.extend(each for each in page.objects if not each.key.endswith("/"))
                if len(found) >= limit:
                    break
        return tuple(found)[:limit]

    async def find(self, workspace: str, prefix: str, path: str) -> FileEntry:
        """Return a file.

        Raises:
            NotFound: it does not exist.
        """
        bucket = await self._bucket(workspace)
        with _translated_errors(path):
            info = await bucket.head(f"{prefix}/{path}")
        return FileEntry(path, False, info.size, info.modified)

    async def is_empty(self, workspace: str, prefix: str) -> bool:
        """Return whether no file exists below a prefix."""
        bucket = await self._bucket(workspace)
        with _translated_errors(""):
            return await bucket.is_empty(f"{prefix}/")

    async def read(self, workspace: str, prefix: str, path: str, byte_range: str | None) -> FileDownload:
        """Start to read a file.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a trailing slash.
            path: path of the file, normalised.
            byte_range: value of the header Range.

        Raises:
            NotFound: it does not exist.
            ApiError: 416: the file has no such range.
        """
        bucket = await self._bucket(workspace)
        with _translated_errors(path):
            stream = await bucket.open_object(f"{prefix}/{path}", byte_range)
        headers = {name: stream.headers[name] for name in _HEADERS if name in stream.headers}
        return FileDownload(stream.status, {**headers, "Accept-Ranges": "bytes"}, stream.chunks())

    async def fetch(self, workspace: str, location: str, max_bytes: int) -> bytes:
        """Return the content of an object that belongs to a table.

        Args:
            workspace: slug.
            location: its URI, below the workspace's prefix.
            max_bytes: maximum size.

        Raises:
            BadRequest: it is outside the workspace's prefix, or larger.
            NotFound: it does not exist.
        """
        key = _key_below(location, await self._secrets.object_store(workspace))
        bucket = await self._bucket(workspace)
        with _translated_errors(location):
            stream = await bucket.open_object(key)
            try:
                if int(stream.headers["Content-Length"]) > max_bytes:
                    raise BadRequest(f"{location} is longer than {max_bytes} bytes.")
                return await stream.read()
            finally:
                stream.close()

    async def write(
        self, workspace: str, prefix: str, path: str, content_type: str, chunks: AsyncIterator[bytes], max_bytes: int
    ) -> int:
        """Write a file as its bytes arrive, and return its size in bytes; a failed upload leaves nothing behind.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a trailing slash.
            path: path of the file, normalised.
            content_type: its media type.
            chunks: its bytes.
            max_bytes: maximum size.

        Raises:
            TooLarge: it is larger.
            Conflict: a folder of this name exists, or the path has a file where it needs a folder.
        """
        bucket = await self._bucket(workspace)
        with _translated_errors(path):
            return await bucket.write(f"{prefix}/{path}", content_type, _limited(chunks, max_bytes))

    async def delete(self, workspace: str, prefix: str, path: str) -> None:
        """Delete a file.

        Raises:
            NotFound: it does not exist.
        """
        await self.find(workspace, prefix, path)
        bucket = await self._bucket(workspace)
        with _translated_errors(path):
            await bucket.delete(f"{prefix}/{path}")

    async def delete_all(self, workspace: str, prefix: str) -> None:
        """Delete every file below a prefix."""
        bucket = await self._bucket(workspace)
        with _translated_errors(""):
            await bucket.delete_all(f"{prefix}/")

    async def _bucket(self, workspace: str) -> Bucket:
        keys = await self._secrets.object_store(workspace)
        access = BucketAccess(keys.endpoint, keys.region, keys.bucket, keys.access_key_id, keys.secret_access_key)
        async with self._lock:
            if (opened := self._buckets.get(access)) is None:
                stack = AsyncExitStack()
                opened = await stack.enter_async_context(Bucket.open(access, self._http)), stack
                self._buckets[access] = opened
                await self._buckets.close_evicted(time.monotonic())
        return opened[0]


class _OpenBuckets(LRUCache[BucketAccess, tuple[Bucket, AsyncExitStack]]):
    """Open buckets; those that were evicted are closed later."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self._evicted: deque[tuple[float, AsyncExitStack]] = deque()

    def popitem(self) -> tuple[BucketAccess, tuple[Bucket, AsyncExitStack]]:
        access, opened = super().popitem()
        self._evicted.append((time.monotonic(), opened[1]))
        return access, opened

    async def close_evicted(self, now: float) -> None:
        """Close what was evicted CLOSE_AFTER_SECONDS ago."""
        while self._evicted and self._evicted[0][0] < now - CLOSE_AFTER_SECONDS:
            await self._evicted.popleft()[1].aclose()

    async def close(self) -> None:
        """Close all buckets."""
        for stack in (*(stack for _, stack in self.values()), *(stack for _, stack in self._evicted)):
            await stack.aclose()


def _key_below(location: str, keys: ObjectStoreKeys) -> str:
    """Return the key of an object below the workspace's prefix.

    Raises:
        BadRequest: it is outside.
    """
    if (key := keys.root.key_of(location)) is None:
        raise BadRequest(f"{location} is not in the workspace's part of the object store.")
    return key


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"The file is longer than {max_bytes} bytes.")
        yield chunk


@contextmanager
def _translated_errors(path: str) -> Iterator[None]:
    """Translate errors of the object store into errors of the REST API."""
    try:
        yield
    except ObjectStoreError as error:
        raise _api_error(error, path) from error


def _api_error(error: ObjectStoreError, path: str) -> ApiError:
    if error.status is None:
        log.error("the object store is unreachable: %s", error)
        return Unavailable("The workspace's object store cannot be reached at the moment; try again shortly.")
    if error.is_missing:
        return NotFound(f"There is no file {path} in this volume.")
    if error.code == "InvalidRange" or error.status == 416:
        return ApiError(416, f"File {path} has no such range.")
    if error.code in _PATH_CONFLICT:
        return Conflict(f"{path} cannot be a file: a folder of this name exists, or a file where it needs a folder.")
    if error.code in ("KeyTooLongError", "InvalidArgument") or error.status == 400:
        return BadRequest(f"The object store refuses the path {path}: {error.code}.")
    log.error("the object store responded %s %s for %s: %s", error.status, error.code, path, error)
    return Unavailable("The workspace's object store responded with an error; try again shortly.")

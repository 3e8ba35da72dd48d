"""Files of volumes in the object store, with the workspace's own keys: they open nothing but its prefix."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError

from icefield_apiserver.errors import ApiError, BadRequest, Conflict, NotFound, Unavailable
from icefield_apiserver.kube.secrets import ObjectStoreKeys, WorkspaceSecrets
from icefield_apiserver.object_store import client_of

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
MAX_CLIENTS = 256
RETIREMENT_SECONDS = 3600.0
"""How long a client that makes room for others stays open: it may still be reading for somebody."""
IN_FLIGHT = 2
"""Parts of one upload that are sent or wait: two, so that reading and sending overlap."""

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_IN_THE_WAY = frozenset({"ObjectParentIsFile", "ExistingObjectIsDirectory", "DirectoryObjectContainsData"})


@dataclass(frozen=True)
class Entry:
    """A file, or a folder with files in it.

    Attributes:
        path: below the prefix that was listed from, without a slash at its end.
        size: bytes; 0 for a folder.
        modified: when the file was last written; None for a folder.
    """

    path: str
    is_directory: bool
    size: int
    modified: datetime | None

    @property
    def key(self) -> str:
        """By what entries are ordered: as the object store does, a folder by its name with a slash."""
        return f"{self.path}/" if self.is_directory else self.path


@dataclass(frozen=True)
class Download:
    """A file, or a range of it, being read.

    Attributes:
        status: 200, or 206 for a range.
        headers: what the answer to the caller says of it.
        chunks: its bytes.
    """

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]


class WorkspaceStores:
    """Reads and writes objects below a workspace's prefix; it keeps one client for each workspace's keys.

    Args:
        secrets: the keys.
    """

    def __init__(self, secrets: WorkspaceSecrets) -> None:
        self._secrets = secrets
        self._session = get_session()
        self._clients: dict[ObjectStoreKeys, tuple[Any, AsyncExitStack]] = {}
        self._retired: deque[tuple[float, AsyncExitStack]] = deque()
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Give the stores for as long as the context lasts; nothing is asked of them yet."""
        stores = cls(secrets)
        try:
            yield stores
        finally:
            for _, stack in (*stores._clients.values(), *stores._retired):
                await stack.aclose()

    async def list(self, workspace: str, prefix: str, folder: str, after: str | None, limit: int) -> list[Entry]:
        """Return what is directly in a folder, by key.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a slash at its end.
            folder: path of the folder, normalised; empty for the volume itself.
            after: leave out this key and what sorts before it.
            limit: most entries.
        """
        client, bucket = await self._client(workspace)
        root = f"{prefix}/"
        query: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{root}{folder}/" if folder else root, "Delimiter": "/"}
        if after is not None:
            query["StartAfter"] = f"{root}{after}"
        found: list[Entry] = []
        with _in_words(folder):
            async for page in client.get_paginator("list_objects_v2").paginate(**query):
                entries = [
                    Entry(item["Key"].removeprefix(root), False, item["Size"], item["LastModified"])
                    for item in page.get("Contents", ())
                    if item["Key"] != query["Prefix"]
                ]
                for item in page.get("CommonPrefixes", ()):
                    entries.append(Entry(item["Prefix"].removeprefix(root).rstrip("/"), True, 0, None))
                found += [entry for entry in entries if after is None or entry.key > after]
                if len(found) >= limit:
                    break
        return sorted(found, key=lambda entry: entry.key)[:limit]

    async def find(self, workspace: str, prefix: str, path: str) -> Entry:
        """Return a file.

        Raises:
            NotFound: there is none.
        """
        client, bucket = await self._client(workspace)
        with _in_words(path):
            head = await client.head_object(Bucket=bucket, Key=f"{prefix}/{path}")
        return Entry(path, False, head["ContentLength"], head["LastModified"])

    async def is_empty(self, workspace: str, prefix: str) -> bool:
        """Say whether there is no file below a prefix."""
        client, bucket = await self._client(workspace)
        with _in_words(""):
            answer = await client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/", MaxKeys=1)
        return not answer.get("Contents")

    async def read(self, workspace: str, prefix: str, path: str, byte_range: str | None) -> Download:
        """Begin to read a file.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a slash at its end.
            path: path of the file, normalised.
            byte_range: value of the header Range.

        Raises:
            NotFound: there is none.
            ApiError: 416: the file has no such range.
        """
        client, bucket = await self._client(workspace)
        asked = {"Range": byte_range} if byte_range else {}
        with _in_words(path):
            answer = await client.get_object(Bucket=bucket, Key=f"{prefix}/{path}", **asked)
        headers = {
            "Content-Length": str(answer["ContentLength"]),
            "ETag": answer["ETag"],
            "Last-Modified": answer["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "Accept-Ranges": "bytes",
        }
        if content_range := answer.get("ContentRange"):
            headers["Content-Range"] = content_range
        return Download(206 if content_range else 200, headers, _chunks(answer["Body"]))

    async def fetch(self, workspace: str, location: str, longest: int) -> bytes:
        """Return the whole of an object that belongs to a table.

        Args:
            workspace: slug.
            location: its URI, below the workspace's prefix.
            longest: most bytes it may have.

        Raises:
            BadRequest: it lies elsewhere, or is longer.
            NotFound: there is none.
        """
        keys = await self._secrets.object_store(workspace)
        key = _key_below(location, keys)
        client, bucket = await self._client(workspace)
        with _in_words(location):
            answer = await client.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                if answer["ContentLength"] > longest:
                    raise BadRequest(f"{location} is longer than {longest} bytes.")
                content: bytes = await body.read()
        return content

    async def write(
        self, workspace: str, prefix: str, path: str, content_type: str, chunks: AsyncIterator[bytes], longest: int
    ) -> int:
        """Write a file as it comes, and return its size in bytes; what breaks off leaves nothing behind.

        Args:
            workspace: slug.
            prefix: key prefix of the volume, without a slash at its end.
            path: path of the file, normalised.
            content_type: its media type.
            chunks: its bytes.
            longest: most bytes it may have.

        Raises:
            BadRequest: it is longer.
            Conflict: a folder of this name is there, or a file where the path has a folder.
        """
        client, bucket = await self._client(workspace)
        target = {"Bucket": bucket, "Key": f"{prefix}/{path}"}
        parts = _parts(chunks, longest)
        first = await anext(parts, b"")
        with _in_words(path):
            if len(first) < PART_BYTES:
                await client.put_object(**target, Body=first, ContentType=content_type)
                return len(first)
            upload = await client.create_multipart_upload(**target, ContentType=content_type)
            target["UploadId"] = upload["UploadId"]
            try:
                size, sent = await _send(client, target, first, parts)
                await client.complete_multipart_upload(**target, MultipartUpload={"Parts": sent})
            except BaseException:
                await asyncio.shield(_abort(client, target))
                raise
        return size

    async def delete(self, workspace: str, prefix: str, path: str) -> None:
        """Delete a file.

        Raises:
            NotFound: there is none.
        """
        await self.find(workspace, prefix, path)
        client, bucket = await self._client(workspace)
        with _in_words(path):
            await client.delete_object(Bucket=bucket, Key=f"{prefix}/{path}")

    async def delete_all(self, workspace: str, prefix: str) -> None:
        """Delete every file below a prefix."""
        client, bucket = await self._client(workspace)
        with _in_words(""):
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
                keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
                if keys:
                    await client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    async def _client(self, workspace: str) -> tuple[Any, str]:
        keys = await self._secrets.object_store(workspace)
        async with self._lock:
            if keys not in self._clients:
                await self._make_room()
                stack = AsyncExitStack()
                self._clients[keys] = await stack.enter_async_context(self._make(keys)), stack
            client, stack = self._clients.pop(keys)
            self._clients[keys] = client, stack  # the one used last stands last
        return client, keys.bucket

    async def _make_room(self) -> None:
        now = time.monotonic()
        while len(self._clients) >= MAX_CLIENTS:
            _, oldest = self._clients.pop(next(iter(self._clients)))
            self._retired.append((now, oldest))
        while self._retired and self._retired[0][0] < now - RETIREMENT_SECONDS:
            await self._retired.popleft()[1].aclose()

    def _make(self, keys: ObjectStoreKeys) -> Any:
        return client_of(
            self._session,
            endpoint=keys.endpoint,
            region=keys.region,
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
            read_timeout=60,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=20,
        )


def _key_below(location: str, keys: ObjectStoreKeys) -> str:
    """Return the key of an object in the workspace's part of the bucket.

    Raises:
        BadRequest: it lies elsewhere.
    """
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    is_below = key.startswith(f"{keys.prefix}/") and ".." not in key.split("/")
    if scheme not in ("s3", "s3a", "s3n") or bucket != keys.bucket or not is_below:
        raise BadRequest(f"{location} is not in the workspace's part of the object store.")
    return key


async def _parts(chunks: AsyncIterator[bytes], longest: int) -> AsyncIterator[bytes]:
    """Yield the bytes in parts of PART_BYTES, the last one shorter."""
    buffer = bytearray()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > longest:
            raise BadRequest(f"The file is longer than {longest} bytes.")
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


async def _send(
    client: Any, target: dict[str, str], first: bytes, rest: AsyncIterator[bytes]
) -> tuple[int, list[dict[str, Any]]]:
    """Send the parts of an upload while the next ones are read; return the size and what completes it."""
    sent: dict[int, str] = {}
    slots = asyncio.Semaphore(IN_FLIGHT)
    size = number = 0

    async def send(part_number: int, body: bytes) -> None:
        try:
            answer = await client.upload_part(**target, PartNumber=part_number, Body=body)
            sent[part_number] = answer["ETag"]
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            part: bytes | None = first
            while part is not None:
                await slots.acquire()
                number, size = number + 1, size + len(part)
                group.create_task(send(number, part))
                part = await anext(rest, None)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return size, [{"PartNumber": each, "ETag": sent[each]} for each in sorted(sent)]


async def _abort(client: Any, target: dict[str, str]) -> None:
    try:
        await client.abort_multipart_upload(**target)
    except (ClientError, BotoCoreError) as error:
        log.warning("an upload to %s could not be aborted: %s", target["Key"], error)


async def _chunks(body: Any) -> AsyncIterator[bytes]:
    async with body:
        async for chunk in body.iter_chunks(CHUNK_BYTES):
            yield chunk


@contextmanager
def _in_words(path: str) -> Iterator[None]:
    """Say what the object store refuses in the words of the REST API."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, path) from error
    except (BotoCoreError, HTTPClientError, ConnectionClosedError) as error:
        log.error("the object store is away: %s", error)
        raise Unavailable("The workspace's object store cannot be reached at the moment; try again shortly.") from error


def _refusal(error: ClientError, path: str) -> ApiError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in _MISSING:
        return NotFound(f"There is no file {path} in this volume.")
    if code == "InvalidRange":
        return ApiError(416, f"File {path} has no such range.")
    if code in _IN_THE_WAY:
        return Conflict(f"{path} cannot be a file: there is a folder of this name, or a file where it needs a folder.")
    if code in ("KeyTooLongError", "InvalidArgument") or status == 400:
        return BadRequest(f"The object store refuses the path {path}: {code}.")
    log.error("the object store answered %s %s for %s: %s", status, code, path, error)
    return Unavailable("The workspace's object store did not answer as it should; try again shortly.")

"""Objects of results: written in one call when small, else in parts while they are produced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.settings import StoreSettings

from .small import SmallObjects

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 60
CALL_TIMEOUT = 180
MAX_CONNECTIONS = 32
MAX_PARTS = 10_000
"""S3's own limit."""
PARTS_AT_ONCE = 2
"""Of one result; what is held of it is this, the part in the making, and a batch."""


class Bucket:
    """The bucket that results are written to, opened with the workspace's keys."""

    def __init__(self, client: Any, small: SmallObjects | None, name: str) -> None:
        """Wrap open clients; use `Bucket.open`."""
        self._client = client
        self._small = small
        self._name = name

    @classmethod
    @asynccontextmanager
    async def open(cls, store: StoreSettings) -> AsyncIterator[Self]:
        """Open it for as long as the context lasts."""
        config = AioConfig(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=MAX_CONNECTIONS,
            retries={"mode": "standard", "max_attempts": 4},
            # Path style and no default checksums: what every S3 server understands. Bodies unsigned: hashing
            # megabytes would hold up the loop; their length is checked, and TLS covers the rest where there is TLS.
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        opening = get_session().create_client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key.get_secret_value(),
            config=config,
        )
        async with opening as client, SmallObjects.open(store) as small:
            yield cls(client, small, store.bucket)

    async def put(self, key: str, content: bytes) -> None:
        """Write a whole object.

        Raises:
            EngineError: RESULT_NOT_STORED.
        """
        if self._small and await self._small.put(key, content):
            return
        await self.call("put_object", Key=key, Body=content)

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Call S3.

        Raises:
            EngineError: RESULT_NOT_STORED; the store is unavailable or refuses.
        """
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await getattr(self._client, operation)(Bucket=self._name, **arguments)
        except (ClientError, BotoCoreError, TimeoutError, OSError, aiohttp.ClientError) as error:
            reason = str(error) or type(error).__name__
            raise EngineError(Code.RESULT_NOT_STORED, f"The result could not be stored: {reason}") from error


class Upload:
    """The upload of one object."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        """Prepare; nothing is sent yet."""
        self._bucket = bucket
        self._key = key
        self._upload_id: str | None = None
        self._parts: list[asyncio.Task[dict[str, Any]]] = []
        self._room = asyncio.Semaphore(PARTS_AT_ONCE)

    @property
    def has_begun(self) -> bool:
        """Whether a part was sent."""
        return self._upload_id is not None

    async def part(self, content: bytes) -> None:
        """Send the next part in the background; wait while enough are on their way.

        Raises:
            EngineError: RESULT_NOT_STORED; an earlier part could not be stored, or there are too many.
        """
        if self._upload_id is None:
            self._upload_id = (await self._bucket.call("create_multipart_upload", Key=self._key))["UploadId"]
        if len(self._parts) == MAX_PARTS:
            raise EngineError(
                Code.RESULT_NOT_STORED, "The result is too large to be stored; read less, or write a table."
            )
        await self._room.acquire()
        for part in self._parts:
            if part.done():
                part.result()
        self._parts.append(asyncio.create_task(self._send(len(self._parts) + 1, content)))

    async def finish(self, rest: bytes) -> None:
        """Send what is left; the object is there when this returns.

        Raises:
            EngineError: RESULT_NOT_STORED.
        """
        if self._upload_id is None:
            await self._bucket.put(self._key, rest)
            return
        await self.part(rest)
        parts = await asyncio.gather(*self._parts)
        await self._bucket.call(
            "complete_multipart_upload", Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
        )

    async def abort(self) -> None:
        """Leave nothing behind; for an upload that is not finished.

        Raises:
            EngineError: RESULT_NOT_STORED; the store is unavailable, and keeps the parts.
        """
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
        if self._upload_id is not None:
            await self._bucket.call("abort_multipart_upload", Key=self._key, UploadId=self._upload_id)

    async def _send(self, number: int, content: bytes) -> dict[str, Any]:
        try:
            answer = await self._bucket.call(
                "upload_part", Key=self._key, UploadId=self._upload_id, PartNumber=number, Body=content
            )
            return {"PartNumber": number, "ETag": answer["ETag"]}
        finally:
            self._room.release()

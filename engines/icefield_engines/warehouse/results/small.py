"""Small objects written with one plain request: the SDK's overhead is larger than the call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import quote

import aiohttp
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from icefield_engines.warehouse.settings import StoreSettings

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
MAX_CONNECTIONS = 32


class SmallObjects:
    """Puts objects into the bucket of a store that has an address of its own."""

    def __init__(self, session: aiohttp.ClientSession, store: StoreSettings) -> None:
        """Use an open session; see `open`."""
        self._session = session
        self._base = f"{(store.endpoint or '').rstrip('/')}/{store.bucket}/"
        keys = Credentials(store.access_key_id, store.secret_access_key.get_secret_value())
        self._signer = S3SigV4Auth(keys, "s3", store.region)

    @classmethod
    @asynccontextmanager
    async def open(cls, store: StoreSettings) -> AsyncIterator[Self | None]:
        """Open it for as long as the context lasts; None for Amazon's own store, whose addresses the SDK knows."""
        if not store.endpoint:
            yield None
            return
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            yield cls(session, store)

    async def put(self, key: str, content: bytes) -> bool:
        """Write an object; return whether the store took it. Errors are left to a second attempt, with the SDK."""
        request = AWSRequest("PUT", self._base + quote(key), data=content)
        self._signer.add_auth(request)
        try:
            async with self._session.put(
                URL(request.url, encoded=True), data=content, headers=dict(request.headers.items())
            ) as answer:
                await answer.read()
                return answer.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

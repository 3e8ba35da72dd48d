"""An object store in memory, for unit tests: obstore's own, which creates, lists and refuses as S3 does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import obstore
from obstore.store import MemoryStore

from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore


class InMemoryObjectStore(ObjectStore):
    """The operator's store over obstore's in memory; a write may be made to take its time."""

    def __init__(self) -> None:
        config = ObjectStoreConfig(Provider.VERSITYGW, "http://127.0.0.1:1", "us-east-1", "b", Credentials("a", "s"))
        super().__init__(config, None)
        self._objects = MemoryStore()  # type: ignore[assignment]
        self.before_put: Callable[[str], Awaitable[None]] = _at_once

    async def put(self, key: str, body: bytes, *, new: bool = False) -> None:
        await self.before_put(key)
        await super().put(key, body, new=new)

    async def delete_some(self, prefix: str) -> int:
        keys = [key async for key in self.keys(prefix)]
        if keys:
            await obstore.delete_async(self._objects, keys)
        return len(keys)


async def _at_once(_: str) -> None:
    await asyncio.sleep(0)

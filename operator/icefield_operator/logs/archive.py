"""The archived log of one attempt: its position, and adding to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from icefield_crds import object_store
from icefield_crds.wire.log_line import (
    MISSING_END_MESSAGE,
    LogComplete,
    compress_part,
    decompress_part,
    encode_gap,
)
from icefield_crds.wire.log_stream import utc
from icefield_operator.objectstore.store import AlreadyExistsError, ObjectStore

from .attempt import Attempt
from .position import Position


class Archive:
    """Parts of gzip JSON lines below one prefix, and the markers that no more follow and that lines are missing."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """Initialize for the log archived below the prefix (no slash at its end)."""
        self._store = store
        self._prefix = prefix

    async def position(self) -> Position:
        """Return where to resume, from what is archived.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        keys = [key async for key in self._store.keys(f"{self._prefix}/")]
        parts = [key for key in keys if key.endswith(object_store.LOG_PART_SUFFIX)]
        position = Position(
            complete=object_store.log_complete_key(self._prefix) in keys,
            incomplete=object_store.log_incomplete_key(self._prefix) in keys,
            start_unknown=object_store.log_start_unknown_key(self._prefix) in keys,
            next_part=_number(parts[-1]) + 1 if parts else 0,
        )
        if not position.complete:
            for key in reversed(parts):
                if not position.add_archived(await self._records(key)):
                    break
        return position

    async def completion(self) -> LogComplete | None:
        """Return the marker that no more parts follow; None while there is none.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        marker = await self._store.get(object_store.log_complete_key(self._prefix))
        return None if marker is None else LogComplete.decode(marker)

    async def add(self, number: int, records: bytes) -> int:
        """Archive records as a new part, and return its size in the store in bytes.

        Raises:
            AlreadyExistsError: it exists: an earlier call succeeded after all, or somebody else archived it.
            ObjectStoreError: the store is unavailable or refuses.
        """
        body = await asyncio.to_thread(compress_part, records)
        await self._put(object_store.log_part_key(self._prefix, number), body, new=True)
        return len(body)

    async def mark_incomplete(self) -> None:
        """Mark that lines are missing.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self._put(object_store.log_incomplete_key(self._prefix), b"{}")

    async def mark_start_unknown(self) -> None:
        """Mark that it is not known whether the first lines are missing.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self._put(object_store.log_start_unknown_key(self._prefix), b"{}")

    async def add_missing_end(self, parts: int, attempt: Attempt) -> int:
        """Mark that the end of the log may be missing, by a line, too; return how many parts there are then.

        Args:
            parts: how many there are.
            attempt: whose log.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self.mark_incomplete()
        timestamp = utc(datetime.now(UTC).isoformat().encode())
        line = encode_gap(timestamp, MISSING_END_MESSAGE, attempt.task, attempt.attempt)
        with suppress(AlreadyExistsError):  # an earlier call succeeded after all
            await self.add(parts, line)
        return parts + 1

    async def complete(self, marker: LogComplete) -> None:
        """Mark that no more parts follow.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self._put(object_store.log_complete_key(self._prefix), marker.encode())

    async def _put(self, key: str, body: bytes, *, new: bool = False) -> None:
        """Write an object; once cancelled, this ends when the write has: nothing is written after that."""
        writing = asyncio.ensure_future(self._store.put(key, body, new=new))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.gather(writing, return_exceptions=True)
            raise

    async def _records(self, key: str) -> list[bytes]:
        body = await self._store.get(key)
        if body is None:
            return []
        return await asyncio.to_thread(decompress_part, body)


def _number(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(object_store.LOG_PART_SUFFIX))

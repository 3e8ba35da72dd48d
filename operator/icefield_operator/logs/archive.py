"""The archived log of one attempt: its position, and adding to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from icefield_crds import object_store
from icefield_crds.wire.log_line import LogComplete, compress_part, decompress_part
from icefield_operator.objectstore.store import ObjectStore

from .lines import newest, timestamp_of

OVERLAP = timedelta(seconds=1)
"""How much older than the newest archived line a line may be that is not archived yet: stdout and stderr are
timestamped apart and then merged, so their order is not exactly that of time."""


@dataclass
class Position:
    """Where to resume an attempt's log."""

    complete: bool = False
    """The log is complete: there is nothing left to archive."""
    next_part: int = 0
    since: datetime | None = None
    """Ask the kubelet for lines from then on; whole seconds, as it takes no finer ones. None: from the start."""
    archived: Counter[int] = field(default_factory=Counter)
    """How often each record from `since` on is archived already, by its hash."""

    @property
    def since_time(self) -> str | None:
        """`since` as the kubelet takes it."""
        return self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self.since else None

    def take(self, record: bytes) -> bool:
        """Return whether this record of the stream has to be archived; counts it off when it already is."""
        if not self.archived:
            return True
        digest = hash(record)
        if digest not in self.archived:
            return True
        self.archived[digest] -= 1
        if not self.archived[digest]:
            del self.archived[digest]
        return False


class Archive:
    """Parts of gzip JSON lines below one prefix, and the marker that no more will follow."""

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
        complete = object_store.log_complete_key(self._prefix) in keys
        position = Position(complete, next_part=_number(parts[-1]) + 1 if parts else 0)
        if complete:
            return position
        for key in reversed(parts):
            records = await self._records(key)
            last = newest(records)
            if last is None:
                continue
            if position.since is None:
                position.since = last.replace(microsecond=0) - OVERLAP
            elif last < position.since:
                break
            since = position.since
            position.archived.update(hash(record) for record in records if timestamp_of(record) >= since)
        return position

    async def add(self, number: int, records: bytes) -> int:
        """Archive records as a new part, and return its size in the store in bytes.

        Raises:
            AlreadyExistsError: it exists: an earlier call succeeded after all, or another operator archived it.
            ObjectStoreError: the store is unavailable or refuses.
        """
        body = await asyncio.to_thread(compress_part, records)
        await self._store.put(object_store.log_part_key(self._prefix, number), body, new=True)
        return len(body)

    async def complete(self, parts: int, *, lost: bool) -> None:
        """Mark the log as complete with this number of parts; `lost`: its end could not be read."""
        marker = LogComplete(parts, lost)
        await self._store.put(object_store.log_complete_key(self._prefix), marker.encode())

    async def _records(self, key: str) -> list[bytes]:
        body = await self._store.get(key)
        if body is None:
            return []
        return await asyncio.to_thread(decompress_part, body)


def _number(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(object_store.LOG_PART_SUFFIX))

"""The archive of logs in the object store, which the operator fills while a task runs.

The keys are defined in `icefield_crds.object_store`. A part holds about one mebibyte of lines, so parts are read
one by one and whole: a slow reader holds one of them, and no connection.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from icefield_apiserver.core.objects.transfers import Bucket
from icefield_apiserver.core.shared_lookups import SharedLookups
from icefield_crds.object_store import LOG_COMPLETE, LOG_PART_SUFFIX, logs_prefix
from icefield_crds.wire.log_line import decompress_part

from .entry import Entry, from_archive

LINES_AT_A_TIME = 1000
REQUESTS_AT_ONCE = 16
"""More would only delay other requests to this process while hundreds of clients begin to follow."""


@dataclass
class ArchivedAttempt:
    """What the archive has of one attempt.

    Attributes:
        parts: keys of the parts, in order.
        is_complete: whether nothing will be added.
    """

    parts: list[str] = field(default_factory=list)
    is_complete: bool = False


class Archive:
    """Reads archived logs with the platform's own credentials.

    Args:
        bucket: the platform's bucket.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._listings = SharedLookups(self._list)
        self._parts = SharedLookups(self._read)
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def attempts(self, workspace: str, run_uid: str, task: str) -> dict[int, ArchivedAttempt]:
        """Return what is archived of each attempt (counted from 0) of a task.

        Args:
            workspace: slug.
            run_uid: metadata.uid of the Run.
            task: key of the task.

        Raises:
            ObjectStoreError: the store refuses the request or is unreachable.
        """
        return await self._listings.get(f"{logs_prefix(workspace)}/{run_uid}/{task}/")

    async def entries(self, part: str) -> AsyncIterator[list[Entry]]:
        """Yield the entries of a part."""
        lines = await self._parts.get(part)
        for first in range(0, len(lines), LINES_AT_A_TIME):
            yield [from_archive(line) for line in lines[first : first + LINES_AT_A_TIME]]
            await asyncio.sleep(0)  # others get their turn while a part is parsed

    async def first_entry(self, part: str) -> Entry:
        """Return the first entry of a part."""
        return from_archive((await self._parts.get(part))[0])

    async def count(self, part: str) -> int:
        """Return how many entries a part has."""
        return len(await self._parts.get(part))

    async def _list(self, prefix: str) -> dict[int, ArchivedAttempt]:
        found: defaultdict[int, ArchivedAttempt] = defaultdict(ArchivedAttempt)
        async with self._slots:
            keys = [item.key async for page in self._bucket.list(prefix) for item in page.objects]
        for key in keys:
            attempt, _, name = key.removeprefix(prefix).partition("/")
            if name == LOG_COMPLETE:
                found[int(attempt)].is_complete = True
            elif name.endswith(LOG_PART_SUFFIX):
                found[int(attempt)].parts.append(key)
        for archived in found.values():
            archived.parts.sort()
        return dict(found)

    async def _read(self, part: str) -> list[bytes]:
        async with self._slots:
            return await asyncio.to_thread(decompress_part, await self._bucket.read(part))

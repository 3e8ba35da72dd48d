"""The archive of logs in the object store, which the operator fills while a task runs.

Where things lie is said in `icefield_crds.object_store`. A part holds about one mebibyte of lines, so parts are read
one by one and whole: a slow reader holds one of them, and no connection.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from icefield_apiserver.object_store import open_client
from icefield_apiserver.settings import ObjectStoreSettings
from icefield_crds.object_store import LOG_COMPLETE, LOG_PART_SUFFIX, logs_prefix

from .entry import Entry, from_archive

LINES_AT_A_TIME = 1000


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
        s3: an aiobotocore S3 client.
        bucket: the platform's bucket.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ObjectStoreSettings) -> AsyncIterator[Self]:
        """Give an archive for as long as the context lasts; nothing is asked of the store yet."""
        async with open_client(settings) as s3:
            yield cls(s3, settings.bucket)

    async def attempts(self, workspace: str, run_uid: str, task: str) -> dict[int, ArchivedAttempt]:
        """Return what is archived of each attempt (counted from 0) of a task.

        Args:
            workspace: slug.
            run_uid: metadata.uid of the Run.
            task: key of the task.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the store refuses or is away.
        """
        prefix = f"{logs_prefix(workspace)}/{run_uid}/{task}/"
        found: defaultdict[int, ArchivedAttempt] = defaultdict(ArchivedAttempt)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        async for page in pages:
            for item in page.get("Contents", ()):
                attempt, _, name = item["Key"].removeprefix(prefix).partition("/")
                if name == LOG_COMPLETE:
                    found[int(attempt)].is_complete = True
                elif name.endswith(LOG_PART_SUFFIX):
                    found[int(attempt)].parts.append(item["Key"])
        for archived in found.values():
            archived.parts.sort()
        return dict(found)

    async def entries(self, part: str) -> AsyncIterator[Entry]:
        """Yield the entries of a part."""
        for number, line in enumerate(await self._lines(part)):
            if number % LINES_AT_A_TIME == 0:
                await asyncio.sleep(0)  # others get their turn while a part is parsed
            yield from_archive(line)

    async def count(self, part: str) -> int:
        """Return how many entries a part has."""
        return len(await self._lines(part))

    async def _lines(self, part: str) -> list[bytes]:
        answer = await self._s3.get_object(Bucket=self._bucket, Key=part)
        async with answer["Body"] as body:
            compressed: bytes = await body.read()
        return (await asyncio.to_thread(gzip.decompress, compressed)).splitlines()

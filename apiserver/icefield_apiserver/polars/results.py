"""Results of Polars workloads: one Arrow IPC stream each, in the workspace's part of the bucket.

They are read with the platform's own credentials. Where one lies follows from the run alone: the status also says it,
but that is what a sandbox said.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from icefield_apiserver.errors import Conflict, NotFound, Unavailable
from icefield_apiserver.object_store import open_client
from icefield_apiserver.results.decoding import Decoders, DecodingError
from icefield_apiserver.results.download import DownloadError, Downloads
from icefield_apiserver.settings import ObjectStoreSettings
from icefield_crds import Run
from icefield_crds.object_store import run_result_key

log = logging.getLogger(__name__)

URL_SECONDS = 300
AWAY = "The object store cannot be reached at the moment; try again shortly."


@dataclass(frozen=True)
class Result:
    """The first rows of a result.

    Attributes:
        column_types: as Polars calls them.
        rows_json: the rows as JSON, a list of lists.
        row_count: how many rows the whole result has.
        truncated: whether there are more rows than here.
    """

    columns: list[str]
    column_types: list[str]
    rows_json: bytes
    row_count: int
    truncated: bool

    @property
    def rows(self) -> list[list[Any]]:
        """The rows; who only passes them on takes rows_json (orjson.Fragment)."""
        rows: list[list[Any]] = orjson.loads(self.rows_json)
        return rows


class RunResults:
    """Reads and deletes the results of runs.

    Args:
        s3: an aiobotocore S3 client.
        bucket: the platform's bucket.
        downloads: reads whole objects.
        decoders: turn the beginning of one into JSON.
    """

    def __init__(self, s3: Any, bucket: str, downloads: Downloads, decoders: Decoders) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._downloads = downloads
        self._decoders = decoders

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ObjectStoreSettings) -> AsyncIterator[Self]:
        """Give them for as long as the context lasts; nothing is asked of the store yet."""
        downloads = Downloads()
        try:
            async with open_client(settings) as s3, Decoders.open() as decoders:
                yield cls(s3, settings.bucket, downloads, decoders)
        finally:
            downloads.close()

    async def first_rows(self, workspace: str, run: Run, limit: int) -> Result:
        """Return the first rows of a run's result, fewer where they are very long.

        Raises:
            NotFound: it is not there any more.
            Conflict: it is not what a sandbox writes.
            Unavailable: the store cannot be reached.
        """
        try:
            decoded = await self._decoders.first_rows(await self.stream(workspace, run), limit)
        except DecodingError as error:
            raise Conflict(f"The result of run {run.public_id} cannot be read: {error}.") from error
        except DownloadError as error:
            raise Unavailable(AWAY) from error
        outcome = run.status.polars if run.status else None
        total = outcome.row_count if outcome and outcome.row_count is not None else decoded.count
        return Result(
            decoded.columns, decoded.column_types, b"[" + decoded.rows + b"]", total, truncated=decoded.count < total
        )

    async def stream(self, workspace: str, run: Run) -> AsyncGenerator[bytes, None]:
        """Begin to read a run's whole result, and return its bytes as they come.

        Raises:
            NotFound: it is not there any more.
            Unavailable: the store cannot be reached.
        """
        url = await self._url(_key(workspace, run))
        try:
            try:
                return await self._downloads.begin(url)
            except DownloadError as error:
                if error.status is not None:
                    raise
            return await self._downloads.begin(url)  # a kept connection may have been closed just now
        except DownloadError as error:
            if error.status == 404:
                raise NotFound(f"The result of run {run.public_id} is not there any more; run it again.") from error
            raise Unavailable(AWAY) from error

    async def delete(self, workspace: str, run: Run) -> None:
        """Delete a run's result. Where the store is away, it stays: nobody can ask for it any more."""
        try:
            await self._s3.delete_object(Bucket=self._bucket, Key=_key(workspace, run))
        except (ClientError, BotoCoreError, OSError) as error:
            log.warning("the result of run %s could not be deleted: %s", run.metadata.uid, error)

    async def _url(self, key: str) -> str:
        params = {"Bucket": self._bucket, "Key": key}
        url: str = await self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS)
        return url


def _key(workspace: str, run: Run) -> str:
    return run_result_key(workspace, run.metadata.uid)

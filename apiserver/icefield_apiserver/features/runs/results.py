"""Results of Polars workloads: one Arrow IPC stream each, in the workspace's part of the bucket.

They are read with the platform's own credentials. The object's key follows from the run alone: the status names it too,
but that is what a sandbox reported.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import orjson

from icefield_apiserver.core.arrow.decoding import Decoders, DecodingError
from icefield_apiserver.core.errors import Conflict, NotFound, Unavailable
from icefield_apiserver.core.objects.transfers import Bucket, ObjectStoreError
from icefield_crds import Run
from icefield_crds.object_store import run_result_key

log = logging.getLogger(__name__)

INLINE_ROWS = 10_000
"""Most rows that an answer carries."""
UNREACHABLE = "The object store cannot be reached at the moment; try again shortly."


@dataclass(frozen=True)
class ResultRows:
    """The first rows of a result.

    Attributes:
        column_types: as Polars names them.
        rows_json: the rows as JSON, a list of lists.
        row_count: how many rows the whole result has.
        truncated: whether there are more rows than these.
    """

    columns: list[str]
    column_types: list[str]
    rows_json: bytes
    row_count: int
    truncated: bool

    @property
    def rows(self) -> list[list[Any]]:
        """The decoded rows; to pass them on as JSON, use `json_fields`."""
        rows: list[list[Any]] = orjson.loads(self.rows_json)
        return rows

    def json_fields(self) -> dict[str, Any]:
        """Return `columns`, `column_types` and `rows` for orjson; the rows are passed on without decoding them."""
        return {
            "columns": self.columns,
            "column_types": self.column_types,
            "rows": orjson.Fragment(self.rows_json),
        }


class RunResults:
    """Reads and deletes the results of runs.

    Args:
        bucket: the platform's bucket.
        decoders: decode the first rows into JSON.
    """

    def __init__(self, bucket: Bucket, decoders: Decoders) -> None:
        self._bucket = bucket
        self._decoders = decoders

    @classmethod
    @asynccontextmanager
    async def open(cls, bucket: Bucket) -> AsyncIterator[Self]:
        """Start the decoders for as long as the context lasts."""
        async with Decoders.open() as decoders:
            yield cls(bucket, decoders)

    async def first_rows(self, workspace: str, run: Run, limit: int) -> ResultRows:
        """Return the first rows of a run's result, fewer where they are very long.

        Raises:
            NotFound: it no longer exists.
            Conflict: it is not what a sandbox writes.
            Unavailable: the store cannot be reached.
        """
        try:
            decoded = await self._decoders.first_rows(await self.stream(workspace, run), limit)
        except DecodingError as error:
            raise Conflict(f"The result of run {run.public_id} cannot be read: {error}.") from error
        except ObjectStoreError as error:
            raise Unavailable(UNREACHABLE) from error
        outcome = run.status.polars if run.status else None
        total = outcome.row_count if outcome and outcome.row_count is not None else decoded.count
        return ResultRows(
            decoded.columns, decoded.column_types, b"[" + decoded.rows + b"]", total, truncated=decoded.count < total
        )

    async def stream(self, workspace: str, run: Run) -> AsyncGenerator[bytes, None]:
        """Start reading a run's whole result, and return its bytes as they arrive.

        Raises:
            NotFound: it no longer exists.
            Unavailable: the store cannot be reached.
        """
        try:
            return (await self._bucket.open_object(_key(workspace, run))).chunks()
        except ObjectStoreError as error:
            if error.status == 404:
                raise NotFound(f"The result of run {run.public_id} no longer exists; run it again.") from error
            raise Unavailable(UNREACHABLE) from error

    async def delete(self, workspace: str, run: Run) -> None:
        """Delete a run's result. While the store is unavailable it stays, but nobody can read it any more."""
        try:
            await self._bucket.delete(_key(workspace, run))
        except ObjectStoreError as error:
            log.warning("the result of run %s could not be deleted: %s", run.metadata.uid, error)


def _key(workspace: str, run: Run) -> str:
    return run_result_key(workspace, run.metadata.uid)

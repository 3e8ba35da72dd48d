"""Playing the operator and its sandboxes: what Polars workloads come to, with their results in a real object store."""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from fastapi import FastAPI

from icefield_apiserver.core.settings import ObjectStoreSettings, Settings
from icefield_crds import Run
from icefield_crds.object_store import run_result_key
from tests.eventually import eventually
from tests.object_store import RunningObjectStore, s3_client

from .playing import condition, set_run_status

STARTED, ENDED = "2026-06-01T08:00:00Z", "2026-06-01T08:00:05Z"


def with_bucket(settings: Settings, store: RunningObjectStore) -> Settings:
    """Return the settings with a bucket of the test's own, which does not exist yet."""
    own = ObjectStoreSettings(
        endpoint=store.url,
        bucket=f"runs-{secrets.token_hex(4)}",
        access_key_id=store.access_key_id,
        secret_access_key=store.secret_access_key,
    )
    return settings.model_copy(update={"object_store": own})


def arrow_stream(columns: dict[str, Any], dtypes: list[str], batch_rows: int = 65_536) -> bytes:
    """Return columns as the Arrow IPC stream that a sandbox writes.

    Args:
        columns: the values.
        dtypes: what Polars calls the type of each.
        batch_rows: how many rows a batch has.
    """
    table = pa.table(columns)
    fields = [field.with_metadata({"polars.dtype": dtype}) for field, dtype in zip(table.schema, dtypes, strict=True)]
    table = table.cast(pa.schema(fields))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, batch_rows)
    return sink.getvalue()


@dataclass
class Sandboxes:
    """Ends the workloads of one workspace.

    Attributes:
        s3: an S3 client that may do everything.
    """

    app: FastAPI
    s3: Any
    bucket: str
    slug: str

    @property
    def namespace(self) -> str:
        """The workspace's namespace."""
        return f"icefield-{self.slug}"

    def runs(self) -> list[Run]:
        """The runs that have not ended, oldest first."""
        found = [
            run for run in self.app.state.core.cluster.runs.store.all() if run.metadata.namespace == self.namespace
        ]
        waiting = [run for run in found if not run.phase.is_terminal]
        return sorted(waiting, key=lambda run: int(run.metadata.resource_version or 0))

    async def next_run(self) -> Run:
        """Return the workload that was submitted, as soon as there is one."""

        async def is_there() -> bool:
            return bool(self.runs())

        await eventually(is_there)
        return self.runs()[0]

    async def put_result(self, run: Run, content: bytes) -> None:
        """Write the object that holds a run's result."""
        await self.s3.put_object(Bucket=self.bucket, Key=self.key(run), Body=content)

    async def has_result(self, run: Run) -> bool:
        """Say whether the object is there."""
        listed = await self.s3.list_objects_v2(Bucket=self.bucket, Prefix=self.key(run))
        return bool(listed.get("Contents"))

    def key(self, run: Run) -> str:
        """The key of the object."""
        return run_result_key(self.slug, run.metadata.uid)

    async def report(self, run: Run, phase: str, **status: Any) -> None:
        """Write the run's status."""
        await set_run_status(self.app, self.namespace, run.metadata.name, {"phase": phase, **status})

    async def wait_for_turn(self, run: Run) -> None:
        """Report that the run has to wait for others."""
        message = "max_running_runs=1, current=1"
        await self.report(run, "pending", conditions=[condition("Admitted", "False", "QuotaExceeded", message)])

    async def succeed(self, run: Run, content: bytes | None, rows: int, **outcome: Any) -> None:
        """Report that the workload succeeded, with this result."""
        if content is not None:
            await self.put_result(run, content)
            outcome["result"] = {"key": "workspaces/another/runs/another/result.arrow", "bytes": len(content)}
        outcome = {"rowCount": rows, "executionMilliseconds": 340.4, **outcome}
        await self.report(run, "success", startTime=STARTED, completionTime=ENDED, polars=outcome)

    async def fail(self, run: Run, error: str, **outcome: Any) -> None:
        """Report that the workload failed."""
        await self.report(run, "failed", startTime=STARTED, completionTime=ENDED, error=error, polars=outcome)


@asynccontextmanager
async def playing_sandboxes(app: FastAPI, settings: Settings, slug: str) -> AsyncIterator[Sandboxes]:
    """Make the bucket, and play the sandboxes of a workspace."""
    store = settings.object_store
    async with s3_client(store.endpoint, store.access_key_id, store.secret_access_key.get_secret_value()) as s3:
        await s3.create_bucket(Bucket=store.bucket)
        yield Sandboxes(app, s3, store.bucket, slug)

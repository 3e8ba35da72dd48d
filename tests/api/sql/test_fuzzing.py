"""Requests made from the OpenAPI document: none is answered with 5xx, and all answers are what the document says.

Its size is that of `make test`; `python -m tests.chaos.fuzzed_requests` makes it larger.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import make_url, text

from icefield_apiserver.core.db.migrate import upgrade
from icefield_apiserver.core.db.session import create_engine
from icefield_apiserver.core.settings import Settings
from icefield_crds import DesiredState, Run, Warehouse, WarehouseState
from icefield_crds.names import API_VERSION
from icefield_kube.client import MERGE_PATCH
from icefield_kube.errors import KubernetesError
from icefield_kube.paths import path_of
from tests.api.conftest import MakeWorkspace
from tests.api.lakehouse import Lakehouse
from tests.api.sandboxes import Sandboxes, arrow_stream
from tests.api.test_polnor_sdk import listening
from tests.controlplane import ControlPlane
from tests.fuzzing.extent import Extent
from tests.fuzzing.report import Report
from tests.fuzzing.samples import EDITORS_OF_OTHER, KEPT, Samples
from tests.fuzzing.sending import fuzz
from tests.object_store import s3_client

from .site import RunningGateway, running, stopped

pytestmark = pytest.mark.integration

EXTENT = Extent.from_environment()
FLAVOR = {
    "apiVersion": API_VERSION,
    "kind": "Flavor",
    "metadata": {"name": "test.1"},
    "spec": {"cpu": 1, "memory": "1Gi", "pricePerHour": 0.05},
}
TIMES = {"startTime": "2026-06-01T08:00:00Z", "completionTime": "2026-06-01T08:00:05Z"}
ROWS = arrow_stream({"n": [1, 2]}, ["Int64"])


@pytest_asyncio.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A Postgres database of the test's own: what SQLite stores and what Postgres refuses differ."""
    name = f"fuzzing_{secrets.token_hex(3)}"
    engine = create_engine(postgres_url, is_single=True)
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        await upgrade(url)
        yield url
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    """Settings with that database; a statement waits for its warehouse, and runs, for seconds only."""
    quick = settings.statements.model_copy(update={"warehouse_start_seconds": 2, "timeout_seconds": 20})
    return settings.model_copy(update={"database_url": SecretStr(database_url), "statements": quick})


@pytest_asyncio.fixture
async def operator(
    app: FastAPI, settings: Settings, lakehouse: Lakehouse, gateway: RunningGateway
) -> AsyncIterator[None]:
    """Ends the workspace's runs, except those that are to be kept, and lets its warehouses share the gateway."""
    store = settings.object_store
    async with s3_client(store.endpoint, store.access_key_id, store.secret_access_key.get_secret_value()) as s3:
        sandboxes = Sandboxes(app, s3, store.bucket, lakehouse.slug)
        playing = asyncio.create_task(_play(app, sandboxes, gateway.endpoint))
        yield
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing


async def _play(app: FastAPI, sandboxes: Sandboxes, endpoint: str) -> None:
    cluster, namespace = app.state.core.cluster, sandboxes.namespace

    async def report(kind: str, name: str, status: dict[str, Any]) -> None:
        with suppress(KubernetesError):  # it may be gone by now
            path = f"{path_of(kind, namespace, name)}/status"
            await cluster.client.call("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)

    while True:
        for run in sandboxes.runs():
            if run.spec.polars and not run.spec.polars.distributed:
                await sandboxes.put_result(run, ROWS)
            await report("Run", run.metadata.name, _status_of(run))
        for _, warehouse in list(cluster.cache(Warehouse).store.walk(namespace)):
            is_wanted = warehouse.spec.desired_state is WarehouseState.RUNNING
            wanted = running(endpoint) if is_wanted else stopped()
            if warehouse.status is None or warehouse.status.phase != wanted["phase"]:
                await report("Warehouse", warehouse.metadata.name, wanted)
        await asyncio.sleep(0.1)


def _status_of(run: Run) -> dict[str, Any]:
    """Return what a run comes to: those of the job that is kept run on, and all others succeed at once."""
    if run.metadata.name.startswith(KEPT):
        phase = "cancelled" if run.spec.desired_state is DesiredState.CANCELLED else "running"
        return {"phase": phase, "startTime": TIMES["startTime"]}
    execution = run.execution
    tasks = [
        {"key": task.key, "status": "success", "exitCode": 0, **TIMES} for task in (execution and execution.tasks) or ()
    ]
    ended = {"phase": "success", "tasks": tasks, **TIMES}
    result = {"key": "result.arrow", "bytes": len(ROWS)}
    return ended | (
        {"polars": {"rowCount": 2, "executionMilliseconds": 3, "result": result}} if run.spec.polars else {}
    )


async def test_no_request_is_answered_with_5xx_or_otherwise_than_documented(
    app: FastAPI,
    client: httpx.AsyncClient,
    lakehouse: Lakehouse,
    make_workspace: MakeWorkspace,
    cluster_with_roles: ControlPlane,
    operator: None,
    orders: pa.Table,
) -> None:
    cluster_with_roles.client.apply(FLAVOR)
    quotas = {"max_running_runs": EXTENT.requests}
    assert (await client.patch(f"/workspaces/{lakehouse.slug}", json={"quotas": quotas})).status_code == 200
    warehouse = (await client.get("/sql/warehouses/main")).json()["id"]
    other = await make_workspace("other", dict.fromkeys(EDITORS_OF_OTHER, "editor"))
    async with listening(app) as url:
        report = await asyncio.to_thread(_sent, url, client.headers, lakehouse.slug, other, warehouse)
    Console(width=200).print(report.table())
    assert not report.faults, report.faults_text()
    assert (report.requests, report.without_success) == (EXTENT.requests, set())


def _sent(url: str, headers: httpx.Headers, slug: str, other: str, warehouse: str) -> Report:
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as rest:
        samples = Samples(rest, slug, other, warehouse)
        try:
            return fuzz(url, samples, EXTENT)
        finally:
            samples.remove()

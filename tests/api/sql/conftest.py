"""A workspace with a catalog, an object store and a warehouse called main; the operator is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pyiceberg.catalog import Catalog, load_catalog

from icefield_apiserver.core.settings import ObjectStoreSettings, Settings, StatementSettings
from tests.api.conftest import ADMIN, AddUser, SignIn
from tests.api.lakehouse import Lakehouse, MakeLakehouse
from tests.catalog import BUCKET, RunningCatalog
from tests.controlplane import ControlPlane
from tests.integration.engines.pod import TOKEN, Pod

from .site import RunningGateway, furnish_with_token, running, running_gateway, set_warehouse_status

LEASE_SECONDS = 1.5


@pytest.fixture
def settings(settings: Settings, embedded_catalog: RunningCatalog) -> Settings:
    """Settings of a server that reaches the object store, and is quick to take over what others leave."""
    store = embedded_catalog.store
    reached = ObjectStoreSettings(
        endpoint=store.url,
        bucket=BUCKET,
        access_key_id=store.access_key_id,
        secret_access_key=store.secret_access_key,
    )
    quick = StatementSettings(
        lease_seconds=LEASE_SECONDS, settling_seconds=1, silence_seconds=2, warehouse_error_seconds=1
    )
    return settings.model_copy(update={"object_store": reached, "statements": quick})


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse, cluster_with_roles: ControlPlane, add_user: AddUser) -> Lakehouse:
    """A workspace with a catalog, and a viewer in it."""
    await add_user("viewer@acme.eu")
    made = await make_lakehouse("sql", {"viewer@acme.eu": "viewer"})
    furnish_with_token(cluster_with_roles, made.slug)
    return made


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there, with a warehouse called main that nobody has started yet."""
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    client.timeout = httpx.Timeout(60)
    assert (await client.post("/sql/warehouses", json={"name": "main"})).status_code == 201
    return client


@pytest_asyncio.fixture
async def gateway(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> AsyncIterator[RunningGateway]:
    """The gateway of main, which runs."""
    async with running_gateway(lakehouse) as gateway:
        await set_warehouse_status(app, lakehouse.slug, "main", running(gateway.endpoint))
        yield gateway


@pytest.fixture
def outside(lakehouse: Lakehouse) -> Catalog:
    """The workspace's catalog as PyIceberg sees it, without us between."""
    return load_catalog("outside", **lakehouse.catalog.pyiceberg(lakehouse.slug))


@pytest.fixture
def orders(outside: Catalog) -> pa.Table:
    """A table sales.orders of ten rows."""
    rows = pa.table({"id": pa.array(range(10), pa.int64()), "name": [f"n{number}" for number in range(10)]})
    outside.create_namespace("sales")
    outside.create_table("sales.orders", rows.schema).append(rows)
    return rows


@pytest_asyncio.fixture
async def pod(
    app: FastAPI,
    client: httpx.AsyncClient,
    lakehouse: Lakehouse,
    cluster_with_roles: ControlPlane,
    tmp_path: Path,
) -> AsyncIterator[Pod]:
    """A gateway with Spark beside, as the pod of main."""
    furnish_with_token(cluster_with_roles, lakehouse.slug, TOKEN)
    app.state.core.secrets.forget(lakehouse.slug)
    pod = Pod(tmp_path, lakehouse.catalog, lakehouse.site)
    try:
        await asyncio.to_thread(pod.start, spark=True)
        endpoint = str(pod.client.base_url).rstrip("/")
        await set_warehouse_status(app, lakehouse.slug, "main", running(endpoint, spark=True))
        yield pod
    finally:
        pod.stop()

"""Declared maintenance over REST: it is a Job, whichever way it was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from polnor._client import Client, Config

from icefield_crds import Job
from icefield_crds.maintenance import program
from icefield_crds.names import API_VERSION, namespace_of
from icefield_kube.paths import path_of

from .conftest import ADMIN, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .playing import set_run_status
from .test_polnor_sdk import call, listening

pytestmark = pytest.mark.integration

DATABASE = "/databases/sales/maintenance"
TABLE = "/databases/sales/tables/orders/maintenance"
COLUMNS = [{"name": "n", "type": "int"}]
NIGHTLY = {"schedule": "0 3 * * *", "time_zone": "Europe/Paris"}


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse) -> Lakehouse:
    """A workspace with a catalog."""
    return await make_lakehouse("maintenance")


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there, with tables sales.orders, sales.items and sales.raw.events."""
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    for path, name in (("/databases", "sales"), ("/databases/sales/schemas", "raw")):
        assert (await client.post(path, json={"name": name})).status_code == 201
    for schema, name in (("default", "orders"), ("default", "items"), ("raw", "events")):
        body = {"name": name, "columns": COLUMNS}
        assert (await client.post(f"/databases/sales/schemas/{schema}/tables", json=body)).status_code == 201
    return client


async def test_a_table_has_its_own_maintenance_or_its_databases(client: httpx.AsyncClient) -> None:
    for path in (DATABASE, TABLE):
        missing = await client.get(path)
        assert (missing.status_code, "has no maintenance" in missing.json()["error"]) == (404, True)
    made = await client.put(DATABASE, json=NIGHTLY)
    assert made.status_code == 200, made.text
    assert made.json() | {"job_id": "", "next_run_at": ""} == {
        "database": "sales",
        "table": None,
        "inherited": False,
        **NIGHTLY,
        "suspend": False,
        "compaction": {"target_file_size_bytes": None, "min_input_files": None},
        "manifest_rewrite": {},
        "snapshot_expiration": {"max_snapshot_age_hours": None, "min_snapshots_to_keep": None},
        "orphan_file_removal": None,
        "separate_tables": [],
        "job_id": "",
        "next_run_at": "",
        "last_run": None,
        "error": None,
    }
    inherited = (await client.get(TABLE)).json()
    assert (inherited["inherited"], inherited["job_id"]) == (True, made.json()["job_id"])
    own = await client.put(TABLE, json={"schedule": "@weekly", "snapshot_expiration": {"min_snapshots_to_keep": 9}})
    assert (own.status_code, own.json()["inherited"], own.json()["compaction"]) == (200, False, None)
    assert (await client.get(TABLE)).json() == own.json()
    assert (await client.get(DATABASE)).json()["separate_tables"] == ["orders"]
    assert (await client.delete(TABLE)).status_code == 204
    assert (await client.delete(TABLE)).status_code == 404
    assert (await client.get(TABLE)).json()["inherited"] is True


async def test_a_declaration_is_replaced_as_a_whole(client: httpx.AsyncClient) -> None:
    body = {**NIGHTLY, "compaction": {"min_input_files": 9}, "manifest_rewrite": {}}
    first = (await client.put(TABLE, json=body)).json()
    second = (await client.put(TABLE, json={"schedule": "@daily", "orphan_file_removal": {}, "suspend": True})).json()
    assert second["job_id"] == first["job_id"]
    assert (second["compaction"], second["manifest_rewrite"], second["time_zone"]) == (None, None, None)
    assert (second["orphan_file_removal"], second["suspend"]) == ({"older_than_hours": None}, True)
    assert second["next_run_at"] is None


async def test_it_is_a_job(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    warehouse = (await client.post("/sql/warehouses", json={"name": "main"})).json()
    declared = (await client.put(TABLE, json={**NIGHTLY, "warehouse_id": "main"})).json()
    job = (await client.get(f"/jobs/{declared['job_id']}")).json()
    assert (job["maintenance"]["database"], job["maintenance"]["table"]) == ("sales", "orders")
    assert (job["command"], job["tasks"], job["concurrency_policy"]) == (None, None, "Forbid")
    assert job["env_vars"] == {"POLNOR_WAREHOUSE_ID": warehouse["id"]}
    refused = await client.put(f"/jobs/{job['id']}", json={"command": "true"})
    assert (refused.status_code, "maintains tables" in refused.json()["error"]) == (409, True)
    renamed = await client.patch(f"/jobs/{job['id']}", json={"schedule": "@hourly"})
    assert (renamed.status_code, (await client.get(TABLE)).json()["schedule"]) == (200, "@hourly")
    run = (await client.post(f"/jobs/{job['id']}/run", json={})).json()
    read = (await client.get(f"/runs/{run['run_id']}")).json()
    stored = app.state.core.cluster.runs.store.get(namespace_of(lakehouse.slug), read["name"])
    assert stored.spec.command == "python maintain.py"
    status = {"phase": "failed", "error": "1 of 3 tables failed"}
    await set_run_status(app, namespace_of(lakehouse.slug), read["name"], status)
    last = (await client.get(TABLE)).json()["last_run"]
    assert (last["id"], last["status"], last["error"]) == (run["run_id"], "failed", "1 of 3 tables failed")


async def test_what_kubectl_declares_is_there(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    namespace = namespace_of(lakehouse.slug)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "metadata": {"name": "upkeep", "namespace": namespace},
        "spec": {"schedule": "@daily", "maintenance": {"database": "Sales", "compaction": {}}},
    }
    cluster = app.state.core.cluster
    written = Job.model_validate(await cluster.client.call("POST", path_of("Job", namespace), body=manifest))
    declared = (await client.get(f"/jobs/{written.public_id}")).json()
    assert declared["maintenance"]["compaction"] is not None
    replaced = (await client.put(DATABASE, json=NIGHTLY)).json()
    assert (replaced["job_id"], replaced["schedule"]) == (written.public_id, "0 3 * * *")


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        (TABLE, {}, 400, "schedule"),
        (TABLE, {"schedule": "soon"}, 400, "not a cron expression"),
        (TABLE, {**NIGHTLY, "time_zone": "Mars"}, 400, "'Mars' is unknown"),
        (TABLE, {**NIGHTLY, "compact": {}}, 400, "compact"),
        (TABLE, {**NIGHTLY, "compaction": {"min_input_files": 1}}, 400, "min_input_files"),
        (TABLE, {**NIGHTLY, "orphan_file_removal": {"older_than_hours": 1}}, 400, "older_than_hours"),
        (TABLE, {**NIGHTLY, "warehouse_id": "none"}, 404, "no warehouse none"),
        ("/databases/none/maintenance", NIGHTLY, 404, "no database none"),
        ("/databases/sales/tables/none/maintenance", NIGHTLY, 404, "no table"),
    ],
)
async def test_mistakes_are_told_in_a_sentence(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    refused = await client.put(path, json=body)
    assert refused.status_code == status, refused.text
    assert sentence in refused.json()["error"]


async def test_a_run_finds_the_tables_without_a_declaration_of_their_own(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    await client.put(DATABASE, json=NIGHTLY)
    await client.put("/databases/sales/schemas/raw/tables/events/maintenance", json=NIGHTLY)
    await client.post("/databases/sales/tables", json={"name": "more", "columns": COLUMNS})
    token = client.headers["Authorization"].removeprefix("Bearer ")
    async with listening(app) as url:
        sdk = Client(Config(api_url=url, token=token, workspace_slug=lakehouse.slug))
        tables: Callable[[], list[str]] = lambda: sorted(program.tables_of(sdk, "sales"))  # noqa: E731
        assert await call(tables) == ["items", "more", "orders"]
        await client.delete("/databases/sales/schemas/raw/tables/events/maintenance")
        assert await call(tables) == ["items", "more", "orders", "raw.events"]

"""Polars workloads as runs: their results, history, logs and lineage, whoever made them."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI

from icefield_apiserver.core.settings import Settings
from icefield_crds import Run
from tests.controlplane import ControlPlane
from tests.object_store import RunningObjectStore

from .conftest import ADMIN, MakeWorkspace, SignIn
from .sandboxes import ENDED, STARTED, Sandboxes, arrow_stream, playing_sandboxes, with_bucket

pytestmark = pytest.mark.integration

SCRIPT = {"script": "result = scan('default.flowers')"}
FLOWERS = arrow_stream({"species": ["setosa", "ü", None]}, ["String"])
SPARK = {"sql": {"query": "SELECT 1", "outputTable": "a.b"}, "executors": 2}


@pytest.fixture
def settings(settings: Settings, object_store: RunningObjectStore) -> Settings:
    """Settings with a bucket of the test's own."""
    return with_bucket(settings, object_store)


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace."""
    return await make_workspace("results", quotas={"max_running_runs": 50})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    """An administrator there."""
    return await sign_in(ADMIN, workspace=slug)


@pytest_asyncio.fixture
async def sandboxes(app: FastAPI, settings: Settings, slug: str) -> AsyncIterator[Sandboxes]:
    """The sandboxes of the workspace."""
    async with playing_sandboxes(app, settings, slug) as sandboxes:
        yield sandboxes


async def applied(sandboxes: Sandboxes, plane: ControlPlane, spec: dict[str, Any], **metadata: Any) -> Run:
    """Apply a Run with kubectl."""
    manifest = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "applied", "namespace": sandboxes.namespace, **metadata},
        "spec": spec,
    }
    made = Run.model_validate(plane.client.create(manifest))
    found = await sandboxes.app.state.core.cluster.runs.find(made.metadata.namespace, made.metadata.name)
    assert found is not None
    return made


async def submitted(client: httpx.AsyncClient, sandboxes: Sandboxes, **more: Any) -> Run:
    """Submit a workload, and return its run."""
    answer = await client.post("/warehouse/polars", json={**SCRIPT, "async": True, **more})
    assert answer.status_code == 202, answer.text
    run: Run = sandboxes.app.state.core.cluster.runs.store.by_public_id(sandboxes.namespace, answer.json()["run_id"])
    return run


async def test_the_result_of_what_kubectl_applied(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane
) -> None:
    run = await applied(sandboxes, cluster_with_roles, {"polars": SCRIPT})
    await sandboxes.succeed(run, FLOWERS, 3)
    for id_or_name in (run.public_id, "applied"):
        assert (await client.get(f"/runs/{id_or_name}/result")).json() == {
            "columns": ["species"],
            "column_types": ["String"],
            "rows": [["setosa"], ["ü"], [None]],
            "row_count": 3,
            "truncated": False,
        }
    first = (await client.get("/runs/applied/result", params={"limit": 1})).json()
    assert (first["rows"], first["row_count"], first["truncated"]) == ([["setosa"]], 3, True)
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"format": "csv"}):
        assert (await client.get("/runs/applied/result", params=wrong)).status_code == 400


async def test_the_whole_result_as_arrow(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    run = await submitted(client, sandboxes)
    content = arrow_stream({"n": range(200_000)}, ["Int64"])
    await sandboxes.succeed(run, content, 200_000)
    answer = await client.get(f"/runs/{run.public_id}/result", params={"format": "arrow"})
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    assert answer.content == content
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert (table.num_rows, table.schema.field(0).metadata) == (200_000, {b"polars.dtype": b"Int64"})


async def test_runs_that_have_no_result(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    async def refused(run_id: str) -> tuple[int, str]:
        for params in ({}, {"format": "arrow"}):
            answer = await client.get(f"/runs/{run_id}/result", params=params)
        return answer.status_code, answer.json()["error"]

    run = await submitted(client, sandboxes, destination="default.summary")
    name = run.public_id
    assert await refused(name) == (409, f"Run {name} is pending: it has a result once it has succeeded.")
    await sandboxes.succeed(run, None, 7)
    assert await refused(name) == (404, f"Run {name} has no result of its own: its rows went to default.summary.")

    run = await submitted(client, sandboxes)
    await sandboxes.fail(run, "script line 1: KeyError: 'a'.")
    assert await refused(run.public_id) == (409, f"Run {run.public_id} failed: script line 1: KeyError: 'a'.")
    run = await submitted(client, sandboxes)
    await sandboxes.report(run, "cancelled")
    assert await refused(run.public_id) == (409, f"Run {run.public_id} was cancelled: it has no result.")

    run = await submitted(client, sandboxes)
    await sandboxes.succeed(run, FLOWERS, 3)
    await sandboxes.s3.delete_object(Bucket=sandboxes.bucket, Key=sandboxes.key(run))
    gone = f"The result of run {run.public_id} no longer exists; run it again."
    assert await refused(run.public_id) == (404, gone)
    await sandboxes.put_result(run, b"forged" * 1000)
    answer = await client.get(f"/runs/{run.public_id}/result")
    assert (answer.status_code, "cannot be read" in answer.json()["error"]) == (409, True)

    command = (await client.post("/runs", json={"command": "true"})).json()["id"]
    assert await refused(command) == (404, f"Run {command} is no Polars workload: it has no result.")
    assert (await client.get("/runs/run_000000000000/result")).status_code == 404


async def test_deleting_a_run_deletes_its_result(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    kept, deleted = await submitted(client, sandboxes), await submitted(client, sandboxes)
    for run in (kept, deleted):
        await sandboxes.succeed(run, FLOWERS, 3)
    assert (await client.delete(f"/runs/{deleted.public_id}")).status_code == 204
    assert [await sandboxes.has_result(run) for run in (kept, deleted)] == [True, False]


async def test_history(client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane) -> None:
    run = await submitted(client, sandboxes, params={"n": 1, "t": "x"}, destination="a.b", timeoutSeconds=60)
    spark = await applied(sandboxes, cluster_with_roles, {"spark": SPARK})
    command = (await client.post("/runs", json={"command": "true"})).json()
    assert (command["kind"], command["polars"], command["spark"]) == ("command", None, None)
    saved = {"table": "a.b", "rowsWritten": 3, "mode": "overwrite"}
    await sandboxes.succeed(run, FLOWERS, 3, saved=saved)
    read = (await client.get(f"/runs/{run.public_id}")).json()
    assert (read["status"], read["job_id"], read["params"]) == ("success", None, {"n": "1", "t": "x"})
    assert (read["kind"], read["text"], read["spark"]) == ("polars", SCRIPT["script"], None)
    assert read["polars"] == {
        "mode": "script",
        "destination": "a.b",
        "save_mode": "overwrite",
        "vcpus": 2,
        "distributed": False,
        "row_count": 3,
        "execution_time": "340ms",
        "rows_written": 3,
        "error_line": None,
        "has_result": True,
    }
    read = (await client.get("/runs/applied")).json()
    assert (read["kind"], read["text"], read["polars"]) == ("spark", "SELECT 1", None)
    assert read["spark"] == {"entrypoint": None, "output_table": "a.b", "write_mode": "overwrite", "executors": 2}
    listed = {each["id"]: each["kind"] for each in (await client.get("/runs")).json()["data"]}
    assert listed == {run.public_id: "polars", spark.public_id: "spark", command["id"]: "command"}
    assert sandboxes.runs()[0].spec.polars is None
    for each in (run.public_id, "applied"):
        assert (await client.get(f"/runs/{each}/tasks")).json() == []


async def test_logs_of_the_one_task(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    run = await submitted(client, sandboxes)
    assert (await client.get(f"/runs/{run.public_id}/tasks/main/logs")).json() == []
    assert (await client.get(f"/runs/{run.public_id}/tasks/other/logs")).status_code == 404


async def read_state(client: httpx.AsyncClient, run_id: str) -> httpx.Response:
    """Ask for a run as Oleander's client does."""
    return await client.get(f"http://icefield/api/v2/runs/{run_id}")


async def test_states_of_runs(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    run = await submitted(client, sandboxes)
    read = (await read_state(client, run.public_id)).json()
    identity = {"id": run.public_id, "name": run.metadata.name, "namespace": sandboxes.slug}
    assert {name: read[name] for name in read if name != "queued_at"} == {
        "id": run.public_id,
        "type": "polars",
        "mode": "script",
        "state": "SUBMITTED",
        "started_at": None,
        "scheduled_at": None,
        "ended_at": None,
        "duration": None,
        "error": None,
        "tags": [],
        "job": identity,
        "pipeline": identity,
    }
    assert read["queued_at"]
    await sandboxes.wait_for_turn(run)
    assert (await read_state(client, run.public_id)).json()["state"] == "SUBMITTED"
    await sandboxes.report(run, "running", startTime=STARTED)
    read = (await read_state(client, run.public_id)).json()
    assert (read["state"], read["started_at"], read["duration"] > 0) == ("RUNNING", STARTED, True)
    await sandboxes.fail(run, "it broke")
    read = (await read_state(client, run.public_id)).json()
    assert (read["state"], read["error"], read["ended_at"], read["duration"]) == ("FAIL", "it broke", ENDED, 5000.0)
    for phase, state in (("success", "COMPLETE"), ("cancelled", "ABORT")):
        run = await submitted(client, sandboxes)
        await sandboxes.report(run, phase)
        assert (await read_state(client, run.public_id)).json()["state"] == state


async def test_the_state_of_a_run_of_a_job_and_of_what_carries_notes(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane
) -> None:
    job = (await client.post("/jobs", json={"name": "Nightly", "command": "true"})).json()
    run_id = (await client.post("/jobs/Nightly/run")).json()["run_id"]
    read = (await read_state(client, run_id)).json()
    assert read["job"] == read["pipeline"] == {"id": job["id"], "name": "Nightly", "namespace": sandboxes.slug}
    assert (read["type"], read["mode"]) == ("command", None)

    tags = [{"key": "team", "value": "eu"}, {"key": "a", "value": "b", "source": "job"}]
    notes = {"job-namespace": "etl", "job-name": "daily", "run-tags": json.dumps(tags)}
    annotations = {f"icefield.dev/{name}": value for name, value in notes.items()}
    run = await applied(sandboxes, cluster_with_roles, {"spark": SPARK}, annotations=annotations)
    read = (await read_state(client, run.public_id)).json()
    assert read["job"] == {"id": run.public_id, "name": "daily", "namespace": "etl"}
    assert read["tags"] == [{**tags[0], "source": None}, tags[1]]
    assert (read["type"], read["mode"]) == ("spark", "sql")
    broken = {"icefield.dev/run-tags": '[{"key": 1}]'}
    odd = await applied(sandboxes, cluster_with_roles, {"spark": SPARK}, name="odd", annotations=broken)
    assert (await read_state(client, odd.public_id)).json()["tags"] == []


async def test_there_is_no_such_run(client: httpx.AsyncClient) -> None:
    for unknown in ("run_000000000000", "nope", f"stmt_{'0' * 32}"):
        answer = await read_state(client, unknown)
        assert (answer.status_code, answer.json().keys()) == (404, {"error"})

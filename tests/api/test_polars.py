"""Polars workloads over REST; the operator and its sandboxes are played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from oleander_sdk import Oleander, PolarsOptions, PolarsTable

from icefield_apiserver.core.settings import Settings
from icefield_apiserver.features.polars.service import PolarsService
from icefield_crds.names import POLARS_CLOUD_SECRET
from tests.controlplane import ControlPlane
from tests.kubernetes_client import RUNS, WORKSPACES
from tests.object_store import RunningObjectStore

from .conftest import AddUser, MakeWorkspace, SignIn
from .playing import condition
from .sandboxes import Sandboxes, arrow_stream, playing_sandboxes, with_bucket
from .test_polnor_sdk import listening

pytestmark = pytest.mark.integration

PATH = "/warehouse/polars"
QUERY = {"query": "SELECT * FROM flowers", "tables": ["flowers=default.flowers"]}
SCRIPT = {"script": "result = scan('default.flowers')"}
ADMITTED = condition("Admitted", "True", "WithinQuota")
FLOWERS = arrow_stream({"species": ["setosa", "ü"], "mean": [1.5, float("nan")]}, ["String", "Float64"])


@pytest.fixture
def settings(settings: Settings, object_store: RunningObjectStore) -> Settings:
    """Settings with a bucket of the test's own."""
    return with_bucket(settings, object_store)


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace in which one run may run and two workloads may wait."""
    members = {"viewer@acme.eu": "viewer", "editor@acme.eu": "editor"}
    return await make_workspace("polars", members, quotas={"max_running_runs": 1})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str, add_user: AddUser) -> httpx.AsyncClient:
    """An editor there."""
    await add_user("editor@acme.eu")
    client = await sign_in("editor@acme.eu", workspace=slug)
    client.timeout = httpx.Timeout(30)
    return client


@pytest_asyncio.fixture
async def sandboxes(app: FastAPI, settings: Settings, slug: str) -> AsyncIterator[Sandboxes]:
    """The sandboxes of the workspace."""
    async with playing_sandboxes(app, settings, slug) as sandboxes:
        yield sandboxes


def posted(client: httpx.AsyncClient, body: dict[str, Any]) -> asyncio.Task[httpx.Response]:
    """Post a workload, without waiting for the answer."""
    return asyncio.create_task(client.post(PATH, json=body))


async def let_wait(app: FastAPI, plane: ControlPlane, slug: str, count: int) -> None:
    """Let one run run, and so many workloads wait."""
    plane.client.patch(WORKSPACES, slug, {"spec": {"quotas": {"maxRunningRuns": 1, "maxQueuedWorkloads": count}}})
    await app.state.core.cluster.workspaces.read(None, slug)


async def test_a_query_and_its_rows(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = posted(client, {**QUERY, "vcpus": 4, "catalog": "OLEANDER"})
    run = await sandboxes.next_run()
    workload = run.spec.polars
    assert workload is not None
    assert (workload.query, workload.vcpus, workload.catalog) == (QUERY["query"], 4, "OLEANDER")
    assert [(table.alias, table.table) for table in workload.tables] == [("flowers", "default.flowers")]
    await sandboxes.succeed(run, FLOWERS, 2)
    assert (await answer).status_code == 200
    assert (await answer).json() == {
        "success": True,
        "run_id": run.public_id,
        "results": {
            "columns": ["species", "mean"],
            "column_types": ["String", "Float64"],
            "rows": [["setosa", 1.5], ["ü", "NaN"]],
        },
        "row_count": 2,
        "truncated": False,
        "execution_time": "340ms",
        "error": None,
        "error_kind": None,
        "error_line": None,
        "saved": None,
        "compute": {"mode": "local", "distributed": False, "vcpus": 4, "instanceType": None, "clusterSize": None},
    }


async def test_a_script_that_fails(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    params = {"table": "default.flowers", "limit": 25, "deep": [{"a": None}], "ratio": 0.5, "is_on": True}
    answer = posted(client, {**SCRIPT, "mode": "script", "params": params})
    run = await sandboxes.next_run()
    assert run.spec.polars is not None
    assert (run.spec.polars.script, run.spec.polars.params) == (SCRIPT["script"], params)
    error = "script line 3: ColumnNotFoundError: unable to find column 'x'"
    await sandboxes.fail(run, error, errorKind="script", errorLine=3)
    ended = (await answer).json()
    assert ((await answer).status_code, ended["success"], ended["error"]) == (200, False, error)
    assert (ended["error_kind"], ended["error_line"], ended["results"], ended["row_count"]) == (
        "script",
        3,
        None,
        None,
    )


async def test_what_was_saved(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    body = {**QUERY, "destination": "default.summary", "saveMode": "append"}
    answer = posted(client, body)
    run = await sandboxes.next_run()
    saved = {"table": "default.summary", "rowsWritten": 2, "mode": "append"}
    await sandboxes.succeed(run, FLOWERS, 2, saved=saved, executionMilliseconds=12_345.6)
    ended = (await answer).json()
    assert ended["saved"] == {"table": "default.summary", "rows_written": 2, "mode": "append"}
    assert (ended["execution_time"], ended["results"]["columns"]) == ("12.3s", ["species", "mean"])


async def test_ten_thousand_rows_of_many(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = posted(client, QUERY)
    run = await sandboxes.next_run()
    await sandboxes.succeed(run, arrow_stream({"n": range(25_000)}, ["Int64"], batch_rows=4096), 25_000)
    ended = (await answer).json()
    rows = ended["results"]["rows"]
    assert (len(rows), rows[0], rows[-1]) == (10_000, [0], [9999])
    assert (ended["row_count"], ended["truncated"]) == (25_000, True)


async def test_without_waiting(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = await client.post(PATH, json={**QUERY, "async": True})
    run = await sandboxes.next_run()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/runs/{run.public_id}")
    assert answer.json() == {"run_id": run.public_id, "status": "pending", "success": False, "error": None}
    await sandboxes.succeed(run, FLOWERS, 2)
    result = (await client.get(f"/runs/{run.public_id}/result")).json()
    assert result["rows"] == [["setosa", 1.5], ["ü", "NaN"]]


async def test_the_requirements_of_a_workload_are_those_of_its_run(
    client: httpx.AsyncClient, sandboxes: Sandboxes
) -> None:
    await client.post(PATH, json={**SCRIPT, "requirements": ["humanize>=4"], "async": True})
    run = await sandboxes.next_run()
    assert (run.spec.requirements, run.spec.lock) == (["humanize>=4"], None)
    refused = await client.post(PATH, json={**SCRIPT, "lock": "a==1"})
    assert refused.status_code == 400
    assert "should be a pylock.toml, or requirements with hashes" in refused.json()["error"]


async def test_the_same_request_again_runs_nothing_again(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {**SCRIPT, "params": {"n": 1, "deep": [None]}, "async": True}
    first, second = await asyncio.gather(*(client.post(PATH, json=body, headers=headers) for _ in range(2)))
    assert (first.status_code, second.status_code) == (202, 202)
    [run] = sandboxes.runs()
    assert first.json()["run_id"] == second.json()["run_id"] == run.public_id
    other = await client.post(PATH, json={**body, "vcpus": 4}, headers=headers)
    assert (other.status_code, other.json()["error"]) == (409, "The idempotency key was used for another run.")
    await sandboxes.succeed(run, FLOWERS, 2)
    again = await client.post(PATH, json={**body, "async": False}, headers=headers)
    assert (again.status_code, again.json()["run_id"], again.json()["row_count"]) == (200, run.public_id, 2)


async def test_a_cancelled_workload(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = posted(client, SCRIPT)
    run = await sandboxes.next_run()
    assert (await client.post(f"/runs/{run.public_id}/cancel")).status_code == 200
    await sandboxes.report(run, "cancelled", completionTime="2026-06-01T08:00:00Z")
    ended = (await answer).json()
    assert (ended["success"], ended["error"], ended["execution_time"]) == (
        False,
        "the workload was cancelled",
        None,
    )


async def test_a_run_that_is_deleted_meanwhile(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane
) -> None:
    answer = posted(client, SCRIPT)
    run = await sandboxes.next_run()
    cluster_with_roles.client.delete(RUNS, run.metadata.name, sandboxes.namespace)
    response = await answer
    assert (response.status_code, response.json()["error"]) == (
        409,
        f"Run {run.public_id} was deleted before it had ended.",
    )


async def test_the_end_of_the_server_ends_the_wait_and_not_the_run(
    client: httpx.AsyncClient, sandboxes: Sandboxes, app: FastAPI
) -> None:
    answer = posted(client, SCRIPT)
    run = await sandboxes.next_run()
    app.state.services.get(PolarsService)._closing.set()
    response = await answer
    assert (response.status_code, response.json()["run_id"], response.json()["success"]) == (202, run.public_id, False)
    assert run.public_id in response.json()["error"]
    assert not sandboxes.runs()[0].phase.is_terminal


async def test_a_client_that_leaves_ends_nothing(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = posted(client, SCRIPT)
    run = await sandboxes.next_run()
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    await sandboxes.succeed(run, FLOWERS, 2)
    assert (await client.get(f"/runs/{run.public_id}")).json()["status"] == "success"


async def test_a_result_that_is_not_there(client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    answer = posted(client, QUERY)
    run = await sandboxes.next_run()
    await sandboxes.succeed(run, None, 2, result={"key": sandboxes.key(run), "bytes": 7})
    response = await answer
    assert response.status_code == 404
    assert response.json()["error"].startswith(f"Run {run.public_id} succeeded, but its rows cannot be read now: ")


async def test_more_than_may_run_at_once_wait_and_more_than_may_wait_are_refused(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane, app: FastAPI
) -> None:
    await let_wait(app, cluster_with_roles, sandboxes.slug, 2)
    submitted = [await client.post(PATH, json={**QUERY, "async": True}) for _ in range(5)]
    assert [answer.status_code for answer in submitted] == [202, 202, 202, 429, 429]
    assert submitted[3].json()["error"] == "Quota exceeded: max_queued_workloads=2, current=2."

    first, second, third = sandboxes.runs()
    await sandboxes.report(first, "running", conditions=[ADMITTED])
    await sandboxes.wait_for_turn(second)
    await sandboxes.wait_for_turn(third)
    assert (await client.post(PATH, json={**QUERY, "async": True})).status_code == 429
    assert (await client.post("/runs", json={"command": "true"})).status_code == 429

    await sandboxes.succeed(first, None, 0)
    await sandboxes.report(second, "running", conditions=[ADMITTED])
    assert (await client.post(PATH, json={**QUERY, "async": True})).status_code == 202
    assert (await client.post(PATH, json={**QUERY, "async": True})).status_code == 429


async def test_many_at_once_are_counted(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane, app: FastAPI
) -> None:
    await let_wait(app, cluster_with_roles, sandboxes.slug, 4)
    body = {**QUERY, "async": True}
    answers = await asyncio.gather(*(client.post(PATH, json=body) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 5 + [429] * 7


async def test_viewers_run_nothing(client: httpx.AsyncClient, add_user: AddUser, sign_in: SignIn, slug: str) -> None:
    await add_user("viewer@acme.eu")
    viewer = await sign_in("viewer@acme.eu", workspace=slug)
    answer = await viewer.post(PATH, json=QUERY)
    assert (answer.status_code, answer.json()) == (403, {"error": "This needs the role editor; yours is viewer."})


async def test_polars_cloud_needs_credentials(
    client: httpx.AsyncClient, sandboxes: Sandboxes, cluster_with_roles: ControlPlane
) -> None:
    body = {**QUERY, "distributed": True, "instanceType": "t4g.medium", "clusterSize": 4, "destination": "a.b"}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        f"Polars Cloud needs credentials: make the Secret {POLARS_CLOUD_SECRET} in namespace {sandboxes.namespace} "
        "with accessToken, or clientId and clientSecret."
    )
    secret = {
        "metadata": {"name": POLARS_CLOUD_SECRET, "namespace": sandboxes.namespace},
        "stringData": {"clientId": "a"},
    }
    cluster_with_roles.client.apply({"apiVersion": "v1", "kind": "Secret", **secret})
    assert "set accessToken, or clientId and clientSecret" in (await client.post(PATH, json=body)).json()["error"]

    sandboxes.app.state.core.secrets.forget(sandboxes.slug)
    secret["stringData"]["accessToken"] = "b"
    cluster_with_roles.client.apply({"apiVersion": "v1", "kind": "Secret", **secret})
    accepted = posted(client, body)
    run = await sandboxes.next_run()
    await sandboxes.succeed(run, None, 7, saved={"table": "a.b", "rowsWritten": 7, "mode": "overwrite"})
    ended = (await accepted).json()
    assert (ended["success"], ended["results"], ended["row_count"]) == (True, None, 7)
    assert ended["compute"] == {
        "mode": "distributed",
        "distributed": True,
        "vcpus": None,
        "instanceType": "t4g.medium",
        "clusterSize": 4,
    }


async def test_the_published_client(app: FastAPI, client: httpx.AsyncClient, sandboxes: Sandboxes) -> None:
    key = (await client.post("/auth/keys", json={"name": "oleander"})).json()["key"]
    async with listening(app) as url:
        sdk = Oleander(api_key=key, base_url=url)
        options = PolarsOptions(
            query="SELECT * FROM flowers",
            tables=["default.flowers", PolarsTable(alias="more", table="default.more")],
            destination="default.summary",
            save_mode="append",
            vcpus=8,
        )
        waiting = asyncio.create_task(sdk.polars(options))
        run = await sandboxes.next_run()
        assert run.spec.polars is not None
        assert [table.alias for table in run.spec.polars.tables] == ["flowers", "more"]
        saved = {"table": "default.summary", "rowsWritten": 2, "mode": "append"}
        await sandboxes.succeed(run, FLOWERS, 2, saved=saved)
        result = await waiting
        assert result.results is not None
        assert result.results.rows == [["setosa", 1.5], ["ü", "NaN"]]
        assert result.saved is not None
        assert (result.saved.rows_written, result.row_count, result.execution_time) == (2, 2, "340ms")

        failing = asyncio.create_task(sdk.polars(PolarsOptions(script="result = 1 / 0")))
        run = await sandboxes.next_run()
        await sandboxes.fail(run, "script line 1: ZeroDivisionError: division by zero")
        with pytest.raises(RuntimeError, match="script line 1: ZeroDivisionError"):
            await failing

"""Runs and tasks over REST, against a real kube-apiserver."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from .conftest import ADMIN, MakeWorkspace, SignIn
from .playing import run_name, set_run_status

pytestmark = pytest.mark.integration

TASKS = [
    {"key": "ingest", "command": "python ingest.py"},
    {"key": "transform", "command": "python tx.py", "depends_on": ["ingest"]},
]


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace."""
    return await make_workspace("runs", quotas={"max_running_runs": 50})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    """An administrator in that workspace, which has the jobs `dag` and `single`."""
    client = await sign_in(ADMIN, workspace=slug)
    for body in ({"name": "dag", "tasks": TASKS}, {"name": "single", "command": "echo hi"}):
        assert (await client.post("/jobs", json=body)).status_code == 201
    return client


async def start(client: httpx.AsyncClient, job: str) -> str:
    answer = await client.post(f"/jobs/{job}/run")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["run_id"])


async def end(app: FastAPI, client: httpx.AsyncClient, slug: str, run_id: str, **status: Any) -> None:
    await set_run_status(app, f"icefield-{slug}", await run_name(client, run_id), status)


async def test_a_run_as_the_operator_reports_it(app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
    run_id = await start(client, "dag")
    started, done = "2026-06-01T08:00:00Z", "2026-06-01T08:00:05Z"
    attempts = [
        {
            "attempt": 0,
            "podName": "p-0",
            "status": "failed",
            "startTime": started,
            "exitCode": 3,
            "error": "exit code 3",
            "disrupted": True,
        },
        {"attempt": 1, "podName": "p-1", "status": "running", "startTime": done},
    ]
    ingest = {"key": "ingest", "status": "running", "retryCount": 1, "startTime": started, "attempts": attempts}
    ingest["disruptions"] = 1
    await end(app, client, slug, run_id, phase="running", startTime=started, tasks=[ingest])
    run = (await client.get(f"/runs/{run_id}")).json()
    assert (run["status"], run["started_at"], run["finished_at"]) == ("running", started, None)
    tasks = (await client.get(f"/runs/{run_id}/tasks")).json()
    assert [(t["key"], t["status"], t["retry_count"]) for t in tasks] == [
        ("ingest", "running", 1),
        ("transform", "pending", 0),
    ]
    assert [(a["attempt"], a["exit_code"]) for a in tasks[0]["attempts"]] == [(0, 3), (1, None)]
    assert (tasks[0]["disruptions"], [a["disrupted"] for a in tasks[0]["attempts"]]) == (1, [True, False])
    assert (await client.get(f"/runs/{run_id}/tasks/transform")).json()["depends_on"] == ["ingest"]
    assert (await client.get(f"/runs/{run_id}/tasks/nope")).status_code == 404

    await end(app, client, slug, run_id, phase="failed", completionTime=done, error="task ingest failed: exit code 3")
    run = (await client.get(f"/runs/{run_id}")).json()
    assert (run["status"], run["duration_seconds"], run["error"]) == ("failed", 5.0, "task ingest failed: exit code 3")


async def test_a_single_command_has_no_task_rows(app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
    run_id = await start(client, "single")
    await end(app, client, slug, run_id, phase="success", tasks=[{"key": "main", "status": "success"}])
    assert (await client.get(f"/runs/{run_id}/tasks")).json() == []


async def test_runs_newest_first_in_stable_pages(client: httpx.AsyncClient) -> None:
    first = [await start(client, "single") for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = (await client.get("/runs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [run["id"] for run in page["data"]]
        if (cursor := page.get("next_cursor")) is None:
            break
        await start(client, "dag")
    assert set(first) <= set(seen)
    assert len(seen) == len(set(seen))
    listed = (await client.get("/runs", params={"limit": 200})).json()["data"]
    times = [run["created_at"] for run in listed]
    assert times == sorted(times, reverse=True)


async def test_runs_of_one_job_and_of_one_status(app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
    single, dag = await start(client, "single"), await start(client, "dag")
    await end(app, client, slug, dag, phase="success")

    async def ids(path: str, **params: str) -> list[str]:
        return [run["id"] for run in (await client.get(path, params=params)).json()["data"]]

    assert await ids("/runs", job="dag") == [dag]
    assert await ids("/jobs/single/runs") == [single]
    assert await ids("/runs", status="success") == [dag]
    assert await ids("/runs", status="pending") == [single]
    assert (await client.get("/runs", params={"status": "odd"})).status_code == 400
    assert (await client.get("/runs", params={"job": "nope"})).status_code == 404


async def test_cancelling(app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
    run_id = await start(client, "single")
    for _ in range(2):
        answer = await client.post(f"/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    run = app.state.core.cluster.runs.store.by_public_id(f"icefield-{slug}", run_id)
    assert run.spec.desired_state == "cancelled"
    await end(app, client, slug, run_id, phase="cancelled")
    answer = await client.post(f"/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    other = await start(client, "single")
    await end(app, client, slug, other, phase="success")
    answer = await client.post(f"/runs/{other}/cancel")
    assert answer.status_code == 409
    assert "already ended with status success" in answer.json()["error"]


async def test_deleting_an_ended_run(app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
    run_id = await start(client, "single")
    assert (await client.delete(f"/runs/{run_id}")).status_code == 409
    await end(app, client, slug, run_id, phase="failed")
    assert (await client.delete(f"/runs/{run_id}")).status_code == 204
    assert (await client.get(f"/runs/{run_id}")).status_code == 404


async def test_a_run_without_a_job(client: httpx.AsyncClient) -> None:
    answer = await client.post("/runs", json={"name": "Once", "tasks": TASKS, "params": {"n": 1}})
    assert answer.status_code == 201, answer.text
    run = answer.json()
    assert run["name"].startswith("once-")
    assert (run["job_id"], run["job_name"], run["params"]) == (None, None, {"n": "1"})
    assert len((await client.get(f"/runs/{run['id']}/tasks")).json()) == 2
    assert (await client.post("/runs", json={})).status_code == 400
    assert (await client.post("/runs", json={"command": "x", "flavor": "nope"})).status_code == 400


async def test_lineage_is_empty_before_anything_was_queried(client: httpx.AsyncClient) -> None:
    run_id = await start(client, "single")
    lineage = (await client.get(f"/runs/{run_id}/lineage")).json()
    assert lineage == {"read": [], "written": [], "read_snapshots": [], "written_snapshots": [], "read_files": []}


async def test_a_run_by_id_or_name_and_no_other(client: httpx.AsyncClient) -> None:
    run_id = await start(client, "single")
    name = await run_name(client, run_id)
    assert (await client.get(f"/runs/{name}")).json()["id"] == run_id
    for unknown in ("run_000000000000", "nope", "run_xyz", "No Such Run", "..%2f..%2fnodes"):
        answer = await client.get(f"/runs/{unknown}")
        assert answer.status_code == 404, unknown
        assert answer.json().keys() == {"error"}

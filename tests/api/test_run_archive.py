"""Ended runs leave Kubernetes for the archive, and REST shows no difference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from icefield_apiserver.core.db import turns
from icefield_apiserver.features.runs import janitor as janitor_module
from icefield_apiserver.features.runs.archive import ArchivedRuns
from icefield_apiserver.features.runs.janitor import RunJanitor
from icefield_crds import Run
from icefield_crds.labels import of_task_pod
from icefield_crds.names import API_VERSION, namespace_of
from icefield_kube.client import MERGE_PATCH
from icefield_kube.errors import Unreachable
from icefield_kube.paths import path_of
from tests.eventually import eventually

from .conftest import ADMIN, AddUser, MakeWorkspace, SignIn
from .playing import condition, set_run_status

pytestmark = pytest.mark.integration

VIEWER = "viewer@acme.eu"
NOTHING_STAYS = {"runs": {"count": 0}}
TASKS = [
    {"key": "ingest", "command": "python ingest.py"},
    {"key": "transform", "command": "python tx.py", "depends_on": ["ingest"]},
]


class Past:
    """A workspace, a client in it, and what the operator and the janitor do there."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, slug: str) -> None:
        self.app, self.client, self.slug = app, client, slug
        self.namespace = namespace_of(slug)
        self.cluster = app.state.core.cluster
        self.janitor: RunJanitor = app.state.services.get(RunJanitor)
        self.archive = ArchivedRuns(app.state.core.db)

    async def start(self, job: str | None = None, **headers: str) -> str:
        """Start a run, of a job or of its own, and return its id."""
        path = f"/jobs/{job}/run" if job else "/runs"
        answer = await self.client.post(path, json=None if job else {"command": "true"}, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["run_id" if job else "id"])

    async def end(self, run_id: str, phase: str = "success", *, archived: bool = True) -> Run:
        """End a run as the operator does: its logs may not be archived yet."""
        run = await self.run(run_id)
        ended = {"startTime": "2026-06-01T08:00:00Z", "completionTime": "2026-06-01T08:00:05Z"}
        tasks = [
            {
                **ended,
                "key": task.key,
                "status": phase,
                "exitCode": 0,
                "attempts": [
                    {**ended, "attempt": 0, "podName": f"p-{task.key}", "status": phase, "logsArchived": archived}
                ],
            }
            for task in run.execution.tasks or ()
        ] or [
            {
                "key": "main",
                "status": phase,
                "attempts": [{"attempt": 0, "podName": "p", "status": phase, "logsArchived": archived}],
            }
        ]
        admitted = condition("Admitted", "True", "Admitted")
        status = {"phase": phase, "observedGeneration": 1, "conditions": [admitted], "tasks": tasks, **ended}
        await set_run_status(self.app, self.namespace, run.metadata.name, status)
        return run

    async def ended(self, count: int, job: str | None = None) -> list[str]:
        """Start and end runs; return their ids."""
        ids = [await self.start(job) for _ in range(count)]
        for run_id in ids:
            await self.end(run_id)
        return ids

    async def keep(self, retention: dict[str, Any]) -> None:
        """Change the workspace's retention, and wait until the server knows."""
        body = {"spec": {"retention": retention}}
        path = path_of("Workspace", None, self.slug)
        changed = await self.cluster.client.call("PATCH", path, body=body, content_type=MERGE_PATCH)

        async def is_seen() -> bool:
            seen = self.cluster.workspaces.store.get(None, self.slug)
            return bool(seen.metadata.resource_version == changed["metadata"]["resourceVersion"])

        await eventually(is_seen)

    async def archive_all(self) -> None:
        """Have every ended run archived that may be."""
        await self.keep(NOTHING_STAYS)
        await self.janitor.sweep()

    async def run(self, run_id: str) -> Run:
        """Return a run as Kubernetes has it."""
        found = await self.cluster.runs.find_by_public_id(self.namespace, run_id)
        assert found
        return found

    async def in_kubernetes(self) -> set[str]:
        """Return the ids of the runs that Kubernetes has."""
        listed = await self.cluster.client.call("GET", path_of("Run", self.namespace))
        return {Run.model_validate(item).public_id for item in listed["items"]}

    async def get(self, path: str, **params: Any) -> Any:
        """Return the answer of a GET: its status and body."""
        answer = await self.client.get(path, params=params)
        return answer.status_code, answer.json()


@pytest_asyncio.fixture
async def past(app: FastAPI, make_workspace: MakeWorkspace, sign_in: SignIn) -> AsyncIterator[Past]:
    """A workspace with the jobs `dag` and `single`."""
    slug = await make_workspace("past", {VIEWER: "viewer"}, quotas={"max_running_runs": 50})
    client = await sign_in(ADMIN, workspace=slug)
    for body in ({"name": "dag", "tasks": TASKS}, {"name": "single", "command": "echo hi"}):
        assert (await client.post("/jobs", json=body)).status_code == 201
    yield Past(app, client, slug)


async def test_rest_shows_an_archived_run_as_before(past: Past) -> None:
    ids = [await past.start("dag") for _ in range(2)]
    for run_id, phase in zip(ids, ("failed", "success"), strict=True):
        await past.end(run_id, phase)
    names = [(await past.run(run_id)).metadata.name for run_id in ids]
    paths = [f"/runs/{each}{tail}" for each in (*ids, *names) for tail in ("", "/tasks", "/tasks/ingest", "/lineage")]
    paths += [f"http://icefield/api/v2/runs/{run_id}" for run_id in ids]
    paths += [f"/runs?{query}" for query in ("", "status=failed", "job=dag", "job=dag&status=failed", "status=running")]
    paths += ["/jobs/dag/runs", "/jobs", "/jobs/dag"]
    before = [await past.get(path) for path in paths]
    assert all(status == 200 for status, _ in before)
    await past.archive_all()
    [last] = await past.in_kubernetes()
    assert last in ids
    assert [await past.get(path) for path in paths] == before


async def test_a_reader_of_pages_misses_nothing_that_is_archived_meanwhile(past: Past) -> None:
    ids = await past.ended(7)
    live = [await past.start() for _ in range(2)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    for page in range(10):
        _, body = await past.get("/runs", **params)
        seen += [run["id"] for run in body["data"]]
        if page == 1:
            await past.archive_all()
        if (cursor := body.get("next_cursor")) is None:
            break
        params["cursor"] = cursor
    assert sorted(seen) == sorted([*ids, *live])
    assert await past.in_kubernetes() == set(live)
    _, whole = await past.get("/runs", limit=200)
    assert [run["id"] for run in whole["data"]] == seen


async def test_a_cursor_of_another_list_is_refused(past: Past) -> None:
    _, jobs = await past.get("/jobs", limit=1)
    status, body = await past.get("/runs", cursor=jobs["next_cursor"])
    assert (status, body["error"]) == (400, "The cursor belongs to another list.")


async def test_what_stays_in_kubernetes(past: Past) -> None:
    gone, unarchived, with_pod, declared, running = [await past.start() for _ in range(5)]
    for run_id in (gone, with_pod, declared):
        await past.end(run_id)
    await past.end(unarchived, archived=False)
    owner = await past.run(with_pod)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "left",
            "namespace": past.namespace,
            "labels": of_task_pod(past.slug, "w", owner.metadata.name, "main", 0),
            "ownerReferences": [{**owner.owner_reference.to_api(), "apiVersion": API_VERSION}],
        },
        "spec": {"containers": [{"name": "task", "image": "x"}], "automountServiceAccountToken": False},
    }
    await past.cluster.client.call("POST", path_of("Pod", past.namespace), body=pod)
    tracked = await past.run(declared)
    await past.cluster.annotate(tracked, {"argocd.argoproj.io/tracking-id": "runs"})
    await past.archive_all()
    assert await past.in_kubernetes() == {unarchived, with_pod, declared, running}
    assert (await past.get(f"/runs/{gone}"))[0] == 200


async def test_a_run_whose_deletion_failed_is_shown_once_and_then_deleted(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    [run_id] = await past.ended(1)

    async def fails(*_: Any) -> None:
        raise Unreachable("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(past.cluster.client, "delete_unchanged", fails)
        with pytest.raises(Unreachable):
            await past.archive_all()
    uid = past.cluster.workspaces.store.get(None, past.slug).metadata.uid
    assert await past.archive.find(uid, run_id)
    assert await past.in_kubernetes() == {run_id}
    _, listed = await past.get("/runs")
    assert [run["id"] for run in listed["data"]] == [run_id]
    await past.janitor.sweep()
    assert await past.in_kubernetes() == set()
    assert (await past.get(f"/runs/{run_id}"))[0] == 200


async def test_a_run_that_changed_meanwhile_stays_until_it_is_archived_as_it_is(past: Past) -> None:
    [run_id] = await past.ended(1)
    run = await past.run(run_id)
    archived_as = run.model_copy(update={"metadata": run.metadata.model_copy(update={"resource_version": "1"})})
    past.cluster.runs.store.remove(run.metadata.uid)
    workspace = past.cluster.workspaces.store.get(None, past.slug)
    await past.archive.put(workspace.metadata.uid, [archived_as])
    assert await past.janitor._delete(workspace, archived_as)
    assert await past.in_kubernetes() == {run_id}


async def test_a_run_that_its_user_deletes_while_it_is_archived_is_gone(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    [run_id] = await past.ended(1)
    put = ArchivedRuns.put

    async def put_late(archive: ArchivedRuns, *args: Any) -> set[str]:
        assert (await past.client.delete(f"/runs/{run_id}")).status_code == 204
        return await put(archive, *args)

    monkeypatch.setattr(janitor_module.ArchivedRuns, "put", put_late)
    await past.archive_all()
    assert (await past.get(f"/runs/{run_id}"))[0] == 404


async def test_an_archived_run_is_cancelled_and_deleted_as_any_other(
    past: Past, add_user: AddUser, sign_in: SignIn
) -> None:
    [run_id, other] = await past.ended(2)
    await past.archive_all()
    answer = await past.client.post(f"/runs/{run_id}/cancel")
    assert answer.status_code == 409
    assert "has already ended with status success" in answer.json()["error"]
    await add_user(VIEWER)
    viewer = await sign_in(VIEWER, workspace=past.slug)
    answer = await viewer.delete(f"/runs/{run_id}")
    assert (answer.status_code, answer.json()["error"]) == (
        403,
        f"Your role viewer may not delete runs in workspace {past.slug}.",
    )
    assert (await past.client.delete(f"/runs/{run_id}")).status_code == 204
    assert (await past.get(f"/runs/{run_id}"))[0] == 404
    assert (await past.get(f"/runs/{other}"))[0] == 200


async def test_an_idempotency_key_outlives_its_run(past: Past) -> None:
    first = await past.start("single", **{"Idempotency-Key": "k"})
    await past.end(first)
    while (await past.get("/jobs/single/runs"))[1]["data"][0]["id"] == first:  # the last run stays
        await past.ended(1, "single")
    await past.archive_all()
    assert first not in await past.in_kubernetes()
    assert await past.start("single", **{"Idempotency-Key": "k"}) == first


async def test_runs_go_from_the_archive_with_their_job_and_with_age(past: Past) -> None:
    of_job = await past.ended(2, "single")
    [own] = await past.ended(1)
    await past.archive_all()
    assert (await past.client.delete("/jobs/single")).status_code == 204
    await past.janitor.sweep()
    assert (await past.get(f"/runs/{of_job[0]}"))[0] == 404
    assert (await past.get(f"/runs/{own}"))[0] == 200
    await past.keep({"runs": {"days": 1, "count": 0}, "archivedRuns": {"days": 1}})
    await past.janitor.sweep()
    assert (await past.get(f"/runs/{own}"))[0] == 404


async def test_runs_go_from_the_archive_with_their_workspace(past: Past) -> None:
    await past.ended(1)
    await past.archive_all()
    uid = past.cluster.workspaces.store.get(None, past.slug).metadata.uid
    assert uid in await past.archive.workspace_uids()
    await past.cluster.client.call("DELETE", path_of("Workspace", None, past.slug))

    async def is_gone() -> bool:
        return past.cluster.workspaces.store.get(None, past.slug) is None

    await eventually(is_gone)
    await past.janitor.sweep()
    assert uid not in await past.archive.workspace_uids()


async def test_one_sweep_at_a_time(past: Past) -> None:
    [run_id] = await past.ended(1)
    await past.keep(NOTHING_STAYS)
    async with turns.taking_turns(past.app.state.core.db, janitor_module.TURN) as turn:
        assert turn
        await past.janitor.sweep()
    assert await past.in_kubernetes() == {run_id}
    await asyncio.gather(past.janitor.sweep(), past.janitor.sweep())
    assert await past.in_kubernetes() == set()

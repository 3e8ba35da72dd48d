"""Jobs over REST, against a real kube-apiserver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from icefield_cluster.commands import CommandError
from tests.controlplane import ControlPlane
from tests.eventually import eventually

from .conftest import ADMIN, MakeWorkspace, SignIn
from .playing import condition, run_name, set_run_status

pytestmark = pytest.mark.integration

PIPELINE: dict[str, Any] = {
    "name": "daily-pipeline",
    "tasks": [
        {"key": "ingest", "command": "python ingest.py"},
        {
            "key": "transform",
            "command": "python tx.py",
            "depends_on": ["ingest"],
            "max_retries": 2,
            "max_disruption_retries": 5,
            "timeout_seconds": 1800,
        },
    ],
}


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace with room for two running runs."""
    return await make_workspace("jobs", quotas={"max_running_runs": 2})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    """An administrator in that workspace."""
    return await sign_in(ADMIN, workspace=slug)


async def create(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def test_the_references_pipeline(client: httpx.AsyncClient) -> None:
    job = await create(client, **PIPELINE)
    assert job["id"].startswith("job_")
    assert [task["key"] for task in job["tasks"]] == ["ingest", "transform"]
    assert job["tasks"][1]["depends_on"] == ["ingest"]
    assert (job["tasks"][1]["max_retries"], job["tasks"][1]["timeout_seconds"]) == (2, 1800)
    assert (job["max_disruption_retries"], job["tasks"][1]["max_disruption_retries"]) == (None, 5)

    answer = await client.post(f"/jobs/{job['id']}/run")
    assert answer.status_code == 201
    started = answer.json()
    assert started.keys() == {"run_id", "status"}
    assert started["status"] == "pending"
    assert answer.headers["Location"] == f"/api/v1/runs/{started['run_id']}"

    run = (await client.get(f"/runs/{started['run_id']}")).json()
    assert (run["job_id"], run["job_name"], run["status"]) == (job["id"], "daily-pipeline", "pending")
    tasks = (await client.get(f"/runs/{started['run_id']}/tasks")).json()
    assert [(t["key"], t["status"], t["retry_count"]) for t in tasks] == [
        ("ingest", "pending", 0),
        ("transform", "pending", 0),
    ]
    assert (await client.get(f"/jobs/{job['id']}")).json()["last_run"]["id"] == started["run_id"]


async def test_everything_a_job_says_is_kept(client: httpx.AsyncClient) -> None:
    request = {
        "name": "Nightly Façade",
        "description": "what it is for",
        "command": "python main.py",
        "image": "python:3.11",
        "env_vars": {"A": "1", "B": 2, "C": True, "SECRET": {"secret_key_ref": {"name": "s", "key": "k"}}},
        "files": {"main.py": "print(1)\n", "lib/util.py": "x = 'ü'\n"},
        "params": {"day": "2026-06-01", "limit": 5, "deep": {"a": [1]}},
        "requirements": ["humanize>=4", "polars[numpy]"],
        "schedule": "0 3 * * *",
        "time_zone": "Europe/Paris",
        "timeout_seconds": 60,
        "max_retries": 1,
        "suspend": True,
        "concurrency_policy": "forbid",
    }
    job = await create(client, **request)
    for read in (
        job,
        (await client.get("/jobs/nightly-facade")).json(),
        (await client.get("/jobs/Nightly Façade")).json(),
    ):
        assert read["name"] == "Nightly Façade"
        for field in (
            "description",
            "command",
            "image",
            "files",
            "schedule",
            "time_zone",
            "timeout_seconds",
            "suspend",
        ):
            assert read[field] == request[field]
        assert read["env_vars"]["B"] == "2"
        assert read["env_vars"]["C"] == "true"
        assert read["env_vars"]["SECRET"]["secret_key_ref"] == {"name": "s", "key": "k"}
        assert read["params"] == {"day": "2026-06-01", "limit": "5", "deep": '{"a": [1]}'}
        assert read["concurrency_policy"] == "Forbid"
        assert read["tasks"] is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "Field name is required."),
    ({"name": "x"}, "A job needs a command or tasks."),
    ({"name": "x", "command": "x", **PIPELINE}, "A job has either a command or tasks."),
    ({"name": "x", "tasks": []}, "A job needs a command or tasks."),
    ({"name": "???", "command": "x"}, "no letter or digit"),
    ({"name": "x", "tasks": [{"key": "a", "command": "x", "depends_on": ["b"]}]}, "Task a depends on b"),
    (
        {"name": "x", "tasks": [{"key": "a", "command": "x"}, {"key": "a", "command": "y"}]},
        "Two tasks have the key a.",
    ),
    (
        {
            "name": "x",
            "tasks": [
                {"key": "a", "command": "x", "depends_on": ["b"]},
                {"key": "b", "command": "x", "depends_on": ["a"]},
            ],
        },
        "in a cycle: ",
    ),
    ({"name": "x", "command": "x", "schedule": "daily"}, "not a cron expression"),
    ({"name": "x", "command": "x", "schedule": "99 99 99 99 99"}, "Field schedule '99 99 99 99 99' is not"),
    ({"name": "x", "command": "a\0b"}, "Field command has a NUL character in it"),
    ({"name": "x", "command": "x", "flavor": "gpu.z9"}, "There is no flavor gpu.z9"),
    ({"name": "x", "command": "x", "timeout_seconds": 0}, "timeout_seconds"),
    ({"name": "x", "command": "x", "env_vars": {"not a name": "1"}}, "Field env_vars.not a name: should have letters"),
    (
        {"name": "x", "command": "x", "files": {"../up": "1"}},
        "Field files.../up: should be a path below",
    ),
    (
        {"name": "x", "tasks": [{"key": "a b", "command": "x"}]},
        "Field tasks[0].key: should have letters",
    ),
    (
        {"name": "x", "command": "x", "params": {f"p{n}": "x" * 30000 for n in range(5)}},
        "Field params is as JSON longer than 128 KiB",
    ),
    (
        {"name": "x", "command": "x", "env_vars": {f"V{n}": "x" * 30000 for n in range(60)}},
        "Fields command, env_vars and params have 1800",
    ),
    *(
        (
            {"name": "x", "tasks": [{"key": f"t{n}", "command": "x" * 30000} for n in range(tasks)]},
            "bytes as the cluster stores it, more than the 1310720 that are allowed; put large values into",
        )
        # Beyond what etcd, its client, and the API server take.
        for tasks in (55, 75, 100)
    ),
]


async def test_what_cannot_run_is_400_before_it_exists(client: httpx.AsyncClient) -> None:
    for body, message in WRONG:
        answer = await client.post("/jobs", json=body)
        assert answer.status_code == 400, answer.text
        assert message in answer.json()["error"]
    assert (await client.get("/jobs")).json() == {"data": []}


async def test_a_name_is_unique(client: httpx.AsyncClient) -> None:
    await create(client, name="Nightly", command="x")
    for name in ("Nightly", "nightly", "NIGHTLY!"):
        answer = await client.post("/jobs", json={"name": name, "command": "x"})
        assert answer.status_code == 409, name
        assert "already exists in workspace" in answer.json()["error"]


async def test_put_leaves_or_clears_the_dag(client: httpx.AsyncClient) -> None:
    job = await create(client, **PIPELINE)
    path = f"/jobs/{job['id']}"

    async def put(**body: Any) -> dict[str, Any]:
        answer = await client.put(path, json=body)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        assert (await client.get(path)).json() == changed
        return changed

    assert (await put(description="new", tasks=None))["tasks"] == job["tasks"]
    assert (await put(description="newer"))["tasks"] == job["tasks"]
    refused = await client.put(path, json={"command": "echo hi", "tasks": None})
    assert (refused.status_code, refused.json()["error"].split(";")[0]) == (409, "The job has tasks")

    emptied = await put(tasks=[])
    assert (emptied["tasks"], emptied["command"]) == ([], None)
    answer = await client.post(f"{path}/run")
    assert answer.status_code == 400
    assert "nothing to run" in answer.json()["error"]

    assert (await put(command="echo hi", tasks=[]))["tasks"] is None
    assert (await put(tasks=None, max_retries=3))["command"] == "echo hi"
    assert [t["key"] for t in (await put(tasks=PIPELINE["tasks"]))["tasks"]] == ["ingest", "transform"]
    single = await put(command="echo hi", tasks=[])
    assert (single["command"], single["tasks"], single["max_retries"]) == ("echo hi", None, 3)


async def test_patch_merges(client: httpx.AsyncClient) -> None:
    job = await create(client, name="j", command="x", params={"a": "1", "b": "2"}, schedule="0 3 * * *")
    path = f"/jobs/{job['id']}"
    changed = (await client.patch(path, json={"params": {"b": "3"}, "schedule": None})).json()
    assert (changed["params"], changed["schedule"], changed["command"]) == ({"b": "3"}, None, "x")
    answer = await client.patch(path, json={"tasks": [{"key": "a", "command": "x", "depends_on": ["z"]}]})
    assert answer.status_code == 400
    assert (await client.get(path)).json() == changed


async def test_a_job_can_be_renamed_but_not_to_a_name_that_is_taken(client: httpx.AsyncClient) -> None:
    job = await create(client, name="one", command="x")
    await create(client, name="two", command="x")
    assert (await client.patch("/jobs/one", json={"name": "two"})).status_code == 409
    assert (await client.patch("/jobs/one", json={"name": "Number One"})).json()["name"] == "Number One"
    for by in (job["id"], "one", "Number One"):
        assert (await client.get(f"/jobs/{by}")).json()["id"] == job["id"]
    assert (await client.post("/jobs", json={"name": "Number One", "command": "x"})).status_code == 409


async def test_editing_a_job_never_rewrites_a_run(client: httpx.AsyncClient, slug: str, app: FastAPI) -> None:
    job = await create(client, name="j", command="old", params={"a": "1", "b": "1"})
    run_id = (await client.post("/jobs/j/run", json={"params": {"b": 2}})).json()["run_id"]
    await client.patch("/jobs/j", json={"command": "new", "params": {}})
    run = app.state.core.cluster.runs.store.by_public_id(f"icefield-{slug}", run_id)
    assert run.spec.command == "old"
    assert run.spec.params == {"a": "1", "b": "2"}
    assert run.metadata.owner_references[0].name == "j"
    assert job["id"] == (await client.get(f"/runs/{run_id}")).json()["job_id"]


async def test_concurrent_changes_all_arrive(client: httpx.AsyncClient) -> None:
    await create(client, name="j", command="x")
    fields: list[dict[str, Any]] = [{"description": "d"}, {"max_retries": 4}, {"timeout_seconds": 9}, {"image": "i"}]
    answers = await asyncio.gather(*(client.patch("/jobs/j", json=field) for field in fields))
    assert [answer.status_code for answer in answers] == [200] * 4
    job = (await client.get("/jobs/j")).json()
    assert all(job[name] == value for field in fields for name, value in field.items())


async def test_deleting_a_job_deletes_its_runs(client: httpx.AsyncClient) -> None:
    job = await create(client, name="j", command="x")
    run_id = (await client.post("/jobs/j/run")).json()["run_id"]
    assert (await client.delete(f"/jobs/{job['id']}")).status_code == 204
    assert (await client.get(f"/jobs/{job['id']}")).status_code == 404

    async def is_gone() -> bool:
        return (await client.get(f"/runs/{run_id}")).status_code == 404

    await eventually(is_gone)
    assert (await client.delete(f"/jobs/{job['id']}")).status_code == 404


async def test_the_quota_refuses_and_creates_nothing(client: httpx.AsyncClient, slug: str, app: FastAPI) -> None:
    await create(client, name="j", command="x")
    answers = await asyncio.gather(*(client.post("/jobs/j/run") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, 201] + [429] * 6
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "max_running_runs=2, current=2" in refused.json()["error"]
    assert len((await client.get("/runs")).json()["data"]) == 2

    ended = next(answer for answer in answers if answer.status_code == 201).json()["run_id"]
    await set_run_status(app, f"icefield-{slug}", await run_name(client, ended), {"phase": "success"})
    assert (await client.post("/jobs/j/run")).status_code == 201
    assert (await client.post("/jobs/j/run")).status_code == 429


async def test_the_refusal_says_what_would_let_the_run_wait(client: httpx.AsyncClient, slug: str, app: FastAPI) -> None:
    await create(client, name="j", command="x")
    for _ in range(2):
        started = (await client.post("/jobs/j/run")).json()["run_id"]
        running = {"phase": "running", "conditions": [condition("Admitted", "True", "WithinQuota")]}
        await set_run_status(app, f"icefield-{slug}", await run_name(client, started), running)
    refused = await client.post("/jobs/j/run", json={"on_quota": "refuse"})
    sentence = "Quota exceeded: max_running_runs=2, current=2; with `on_quota: queue` the run waits for its turn."
    assert (refused.status_code, refused.json()) == (429, {"error": sentence})
    assert (await client.post("/runs", json={"command": "x"})).status_code == 429
    queued = await client.post("/jobs/j/run", json={"on_quota": "queue"})
    assert (queued.status_code, queued.json()["status"]) == (201, "pending")
    assert (await client.post("/runs", json={"command": "x", "on_quota": "queue"})).status_code == 201
    wrong = await client.post("/jobs/j/run", json={"on_quota": "wait"})
    assert (wrong.status_code, "on_quota" in wrong.json()["error"]) == (400, True)


async def test_not_more_runs_wait_than_may(sign_in: SignIn, make_workspace: MakeWorkspace) -> None:
    quotas = {"max_running_runs": 1, "max_queued_workloads": 2}
    client = await sign_in(ADMIN, workspace=await make_workspace("line", quotas=quotas))
    waiting = {"command": "x", "on_quota": "queue"}
    answers = [await client.post("/runs", json=waiting) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[-1].json() == {"error": "Quota exceeded: max_queued_workloads=2, current=2."}


async def test_the_answer_tells_the_next_run_of_the_new_schedule(client: httpx.AsyncClient) -> None:
    job = await create(client, name="j", command="x", schedule="0 3 * * *", time_zone="Europe/Paris")
    assert job["next_run_at"] is not None
    path = "/jobs/j"
    for change in ({"schedule": "30 4 1 1 *"}, {"time_zone": "Asia/Tokyo"}):
        changed = (await client.patch(path, json=change)).json()
        zone = ZoneInfo(changed["time_zone"])
        local = datetime.fromisoformat(changed["next_run_at"]).astimezone(zone)
        assert (local.minute, local.hour, local.day, local.month) == (30, 4, 1, 1)
        assert (await client.get("/jobs")).json()["data"][0]["next_run_at"] == changed["next_run_at"]
    assert (await client.patch(path, json={"suspend": True})).json()["next_run_at"] is None
    refused = await client.patch(path, json={"schedule": None, "time_zone": "Mars"})
    assert (refused.status_code, refused.json()) == (400, {"error": "Field time_zone: 'Mars' is unknown."})


async def test_a_command_for_a_job_with_tasks_is_a_conflict(client: httpx.AsyncClient) -> None:
    await create(client, **PIPELINE)
    path = f"/jobs/{PIPELINE['name']}"
    refused = await client.patch(path, json={"command": "x"})
    sentence = "The job has tasks; send `tasks: []` with the command, which then replaces them."
    assert (refused.status_code, refused.json()) == (409, {"error": sentence})
    changed = await client.put(path, json={"command": "x", "tasks": []})
    assert (changed.status_code, changed.json()["command"], changed.json()["tasks"]) == (200, "x", None)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"displayName": "a/b", "command": "x"}, "should have no /"),
        ({"image": "Not An Image", "command": "x"}, "should be the name of an image"),
        ({"tasks": [{"key": "a", "command": "x", "image": "a::b"}]}, "should be the name of an image"),
    ],
)
async def test_kubernetes_refuses_what_rest_refuses(
    client: httpx.AsyncClient, slug: str, cluster_with_roles: ControlPlane, spec: dict[str, Any], sentence: str
) -> None:
    metadata = {"name": "applied", "namespace": f"icefield-{slug}"}
    job = {"apiVersion": "icefield.dev/v1alpha1", "kind": "Job", "metadata": metadata, "spec": spec}
    with pytest.raises(CommandError, match=sentence):
        cluster_with_roles.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    body = {"name": spec.get("displayName", "j"), **{key: each for key, each in spec.items() if key != "displayName"}}
    answer = await client.post("/jobs", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (400, True)


async def test_a_run_that_the_operator_keeps_waiting_holds_no_place(
    client: httpx.AsyncClient, slug: str, app: FastAPI, cluster_with_roles: ControlPlane
) -> None:
    namespace = f"icefield-{slug}"
    await create(client, name="j", command="x")
    run = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "applied", "namespace": namespace},
        "spec": {"jobRef": {"name": "j"}},
    }
    cluster_with_roles.client.apply(run)
    waiting = condition("Admitted", "False", "QuotaExceeded", "max_running_runs=2, current=2")
    await set_run_status(app, namespace, "applied", {"phase": "pending", "conditions": [waiting]})
    assert [(await client.post("/jobs/j/run")).status_code for _ in range(3)] == [201, 201, 429]


async def test_the_same_idempotency_key_starts_one_run(client: httpx.AsyncClient) -> None:
    await create(client, name="j", command="x")
    key = {"Idempotency-Key": "deploy-17"}
    answers = [await client.post("/jobs/j/run", headers=key) for _ in range(4)]
    assert {answer.json()["run_id"] for answer in answers} == {answers[0].json()["run_id"]}
    other = await client.post("/jobs/j/run", headers={"Idempotency-Key": "deploy-18"})
    assert other.json()["run_id"] != answers[0].json()["run_id"]
    assert len((await client.get("/jobs/j/runs")).json()["data"]) == 2


async def test_a_job_that_kubectl_made_is_there(
    client: httpx.AsyncClient, slug: str, cluster_with_roles: ControlPlane
) -> None:
    job = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "applied", "namespace": f"icefield-{slug}"},
        "spec": {"displayName": "From YAML", "command": "echo hi", "env": [{"name": "A", "value": "1"}]},
    }
    cluster_with_roles.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    read = (await client.get("/jobs/applied")).json()  # a miss in the cache, at the latest, reads Kubernetes itself
    assert (read["name"], read["command"], read["env_vars"]) == ("From YAML", "echo hi", {"A": "1"})
    assert (await client.get("/jobs/From YAML")).json()["id"] == read["id"]


async def test_pages_are_stable_under_inserts(client: httpx.AsyncClient) -> None:
    names = [f"job-{number:02d}" for number in range(7)]
    for name in names:
        await create(client, name=name, command="x")
    seen: list[str] = []
    cursor: str | None = None
    for page in range(10):
        answer = (await client.get("/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [job["name"] for job in answer["data"]]
        cursor = answer.get("next_cursor")
        if cursor is None:
            break
        await create(client, name=f"aaa-{page}", command="x")  # before all that was seen
        assert (await client.delete(f"/jobs/{seen[-1]}")).status_code == 204  # the very row the cursor names
    assert seen == names


async def test_bad_windows_are_400(client: httpx.AsyncClient) -> None:
    for query in ("limit=0", "limit=201", "limit=x", "cursor=%25%25", "cursor=bnVsbA", "cursor=W10"):
        answer = await client.get(f"/jobs?{query}")
        assert answer.status_code == 400, query
        assert answer.json().keys() == {"error"}


async def test_a_list_may_be_asked_for_one_name(client: httpx.AsyncClient) -> None:
    await create(client, name="A Job", command="x")
    await create(client, name="b", command="x")
    assert [job["name"] for job in (await client.get("/jobs", params={"name": "A Job"})).json()["data"]] == ["A Job"]


async def test_another_workspaces_job_is_404(
    client: httpx.AsyncClient, make_workspace: MakeWorkspace, sign_in: SignIn
) -> None:
    job = await create(client, name="j", command="x")
    run_id = (await client.post("/jobs/j/run")).json()["run_id"]
    elsewhere = await sign_in(ADMIN, workspace=await make_workspace("other"))
    calls: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: elsewhere.get(f"/jobs/{job['id']}"),
        lambda: elsewhere.get("/jobs/j"),
        lambda: elsewhere.put(f"/jobs/{job['id']}", json={"description": "mine"}),
        lambda: elsewhere.delete(f"/jobs/{job['id']}"),
        lambda: elsewhere.post(f"/jobs/{job['id']}/run"),
        lambda: elsewhere.get(f"/jobs/{job['id']}/runs"),
        lambda: elsewhere.get(f"/runs/{run_id}"),
        lambda: elsewhere.get(f"/runs/{run_id}/tasks"),
        lambda: elsewhere.get(f"/runs/{run_id}/logs"),
        lambda: elsewhere.get(f"/runs/{run_id}/lineage"),
        lambda: elsewhere.post(f"/runs/{run_id}/cancel"),
    ]
    for call in calls:
        assert (await call()).status_code == 404
    assert (await elsewhere.get("/runs")).json() == {"data": []}
    assert (await client.get(f"/runs/{run_id}")).status_code == 200


async def test_requirements_of_tasks_and_jobs_are_kept_and_cleared(client: httpx.AsyncClient) -> None:
    tasks = [{"key": "a", "command": "true", "requirements": ["humanize>=4"]}]
    job = await create(client, name="needs", tasks=tasks, requirements=["pint"])
    assert (job["requirements"], job["tasks"][0]["requirements"]) == (["pint"], ["humanize>=4"])
    lock = 'lock-version = "1.0"\n'
    changed = await client.patch(
        f"/jobs/{job['id']}", json={"requirements": None, "tasks": [{**tasks[0], "lock": lock, "requirements": []}]}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["requirements"], changed.json()["tasks"][0]["lock"]) == ([], lock)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"requirements": ["-r more.txt"]}, "requirements[0]: should be a requirement such as"),
        ({"requirements": ["a"] * 101}, "requirements"),
        ({"lock": "a==1"}, "should be a pylock.toml, or requirements with hashes"),
        ({"requirements": ["a"], "lock": 'lock-version = "1.0"'}, "either requirements or lock"),
    ],
)
async def test_what_cannot_be_installed_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], words: str
) -> None:
    answer = await client.post("/jobs", json={"name": "x", "command": "true", **fields})
    assert answer.status_code == 400
    assert words in answer.json()["error"]

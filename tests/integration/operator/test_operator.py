"""The operator as a process: restarts, repeated events, many runs, and the pods it leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from icefield_crds import Run, RunStatus
from icefield_crds.names import pod_name
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import Kind
from icefield_operator.queue import Key
from icefield_operator.run import run_pods, unwritten
from icefield_operator.run.attempt_end import START_NOT_KNOWN
from tests.eventually import eventually

from .conftest import Place, RunningOperator, make_workspace

pytestmark = pytest.mark.integration

CHAIN = {
    "tasks": [
        {"key": "a", "command": "true"},
        {"key": "b", "command": "true", "dependsOn": ["a"]},
        {"key": "c", "command": "true", "dependsOn": ["b"]},
    ]
}


async def test_a_new_operator_goes_on_where_the_last_one_was(place: Place, operators: Callable[[], Any]) -> None:
    async with operators():
        await place.create("Run", CHAIN, "on")
        await place.started("on", "a")
        await place.phase("on", "running")
    uid = (await place.pod("on", "a"))["metadata"]["uid"]
    await place.finished("on", "a")
    async with operators():
        await place.finished("on", "b")
    async with operators():
        await place.finished("on", "c")
        run = await place.phase("on", "success")
    assert [len(task.attempts) for task in run.status.tasks] == [1, 1, 1]
    assert run.status.tasks[0].attempts[0].pod_uid == uid


async def test_an_operator_that_is_stopped_writes_what_it_has_kept(
    place: Place, operators: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unwritten, "PROGRESS_WRITES_A_SECOND", 0.01)
    async with operators():
        await place.create("Run", {"command": "true"}, "kept")
        uid = (await place.pod("kept"))["metadata"]["uid"]
        assert (await place.run("kept")).status is None
    status = (await place.run("kept")).status
    assert [attempt.pod_uid for attempt in status.tasks[0].attempts] == [uid]


async def test_a_pod_whose_status_was_never_written_down_is_found_again(
    place: Place, operators: Callable[[], Any]
) -> None:
    async with operators():
        await place.create("Run", {"command": "true"}, "lost")
        uid = (await place.pod("lost"))["metadata"]["uid"]
        await place.until("lost", lambda run: run.status and run.status.tasks)
    run = await place.run("lost")
    await place.cluster.write_status(run, RunStatus())
    async with operators():
        await place.finished("lost")
        run = await place.phase("lost", "success")
    assert [attempt.pod_uid for attempt in run.status.tasks[0].attempts] == [uid]


async def test_an_attempt_whose_pod_went_while_no_operator_ran_is_not_started_again(
    place: Place, operators: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    create, name = Cluster.create_or_adopt, pod_name("killed", "b", 0)

    async def create_and_hang(cluster: Cluster, manifest: Manifest) -> Manifest:
        created = await create(cluster, manifest)
        if manifest["metadata"]["name"] == name:
            await asyncio.Event().wait()
        return created

    with monkeypatch.context() as patched:
        patched.setattr(Cluster, "create_or_adopt", create_and_hang)
        async with operators():
            await place.create("Run", CHAIN, "killed")
            await place.finished("killed", "a")
            await place.pod("killed", "b")
    await place.cluster._request(
        "DELETE", f"/api/v1/namespaces/{place.namespace}/pods/{name}", query={"gracePeriodSeconds": "0"}
    )
    async with operators():
        await place.finished("killed", "b", attempt=1)
        run = await place.until("killed", lambda run: run.status.tasks[1].status == "success")
    lost, second = run.status.tasks[1].attempts
    assert (lost.status, lost.disrupted, lost.error) == ("failed", True, START_NOT_KNOWN)
    assert (second.status, second.disrupted) == ("success", False)


async def test_events_that_repeat_themselves_change_nothing(place: Place, operator: RunningOperator) -> None:
    await place.create("Run", CHAIN, "calm")
    await place.started("calm", "a")
    await place.phase("calm", "running")
    version = (await place.run("calm")).metadata.resource_version
    for _ in range(50):
        operator.controllers.enqueue_all()
        operator.controllers.enqueue(Key(Kind.RUN, place.namespace, "calm"))
        await asyncio.sleep(0)
    await eventually(lambda: asyncio.sleep(0, len(operator.controllers.queue) == 0))
    assert (await place.run("calm")).metadata.resource_version == version
    assert len(await place.pods()) == 1


async def test_pods_go_when_their_logs_are_archived_and_not_before(
    place: Place, operator: RunningOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pods, "PODS_KEPT", timedelta(seconds=0))
    uid = (await place.create("Run", {"command": "true"}, "kept"))["metadata"]["uid"]
    await place.finished("kept")
    await place.phase("kept", "success")
    operator.controllers.enqueue_all()
    await eventually(lambda: asyncio.sleep(0, len(operator.controllers.queue) == 0))
    assert len(await place.pods()) == 1

    operator.logs.complete.add((uid, "main", 0))
    operator.controllers.enqueue(Key(Kind.RUN, place.namespace, "kept"))

    async def are_gone() -> bool:
        pods, _ = await place.cluster.list("Pod", place.namespace)
        return all("deletionTimestamp" in pod["metadata"] for pod in pods)

    await eventually(are_gone)
    run = await place.until("kept", lambda run: run.status.tasks[0].attempts[0].logs_archived)
    assert run.phase == "success"


async def test_two_hundred_runs(place: Place, operator: RunningOperator) -> None:
    await make_workspace(place.cluster, place.workspace, quotas={"maxRunningRuns": 20})
    await asyncio.gather(*(place.create("Run", {"command": "true"}, f"many-{n:03}") for n in range(200)))
    ended: set[str] = set()
    most = 0

    async def all_ended() -> bool:
        nonlocal most
        pods, _ = await place.cluster.list("Pod", place.namespace)
        live = [pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] not in ended]
        most = max(most, len(live))
        await asyncio.gather(*(place.kubelet.finish(place.namespace, name) for name in live))
        ended.update(live)
        return len(ended) == 200

    await eventually(all_ended, patience=120)
    runs = partial(operator.cache.resources, Run)

    async def all_succeeded() -> bool:
        return Counter(run.phase.value for run in runs(place.namespace)) == {"success": 200}

    await eventually(all_succeeded, patience=60)
    assert most <= 20
    assert all(len(task.attempts) == 1 for run in runs(place.namespace) for task in run.status.tasks)


async def test_the_watches_prove_that_they_live(place: Place, operator: RunningOperator) -> None:
    await place.create("Run", {"command": "true"}, "sign")
    await place.pod("sign")

    async def alive() -> bool:
        return all(operator.cache.watch_age(kind) < 30 for kind in Kind)

    async def delivered_all_that_we_wrote() -> bool:
        return not any(operator.cache._awaited.values())

    await eventually(alive)
    await eventually(delivered_all_that_we_wrote)

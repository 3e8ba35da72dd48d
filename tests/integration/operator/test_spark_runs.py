"""Runs with a Spark application: their driver, its rights, and what becomes of its executors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from icefield_crds import Run, labels, names
from icefield_kube.client import Manifest
from icefield_operator.spark import driver_rbac, executors
from tests.eventually import eventually

from .conftest import Place

pytestmark = pytest.mark.integration

PROGRAM = {
    "entrypoint": "s3://icefield/workspaces/t/main.py",
    "driver": {"cpu": "1", "memory": "2Gi"},
    "executor": {"cpu": "1", "memory": "2Gi"},
    "executors": 2,
}
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient memory.",
}


@pytest.fixture(autouse=True)
async def operator(operators: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The operator, impatient with executors."""
    monkeypatch.setattr(executors, "REPORT_AFTER", timedelta(0))
    monkeypatch.setattr(executors, "POLL_WAITING", timedelta(seconds=0.2))
    monkeypatch.setattr(executors, "POLL_RUNNING", timedelta(seconds=0.2))
    async with operators():
        yield


async def _create(place: Place, name: str, **application: Any) -> None:
    await place.create("Run", {"spark": {**PROGRAM, **application}}, name)


async def _children(place: Place, run: str) -> dict[str, bool]:
    """Say of everything that an application with executors needs whether it is there."""
    account = driver_rbac.APPLICATIONS
    named = [
        ("Secret", names.run_token_secret(run)),
        ("ConfigMap", names.spark_executor_config_map(run)),
        ("NetworkPolicy", names.spark_executor_config_map(run)),
        ("ServiceAccount", account),
        ("RoleBinding", account),
    ]
    return {kind: await place.cluster.get(kind, place.namespace, name) is not None for kind, name in named}


async def _executor(place: Place, run: str, number: int) -> str:
    """Make an executor as its driver does, of the template that the driver is given."""
    driver = await place.pod(run)
    config = await place.cluster.get("ConfigMap", place.namespace, names.spark_executor_config_map(run))
    assert config is not None
    pod: Manifest = json.loads(config["data"]["executor.yaml"])
    name = f"{driver['metadata']['name']}-exec-{number}"
    owner = {"apiVersion": "v1", "kind": "Pod", "name": driver["metadata"]["name"], "uid": driver["metadata"]["uid"]}
    pod["metadata"] |= {"name": name, "namespace": place.namespace, "ownerReferences": [owner]}
    pod["spec"]["containers"][0]["image"] = "localhost/icefield/warehouse:test"
    await place.cluster.create(pod)
    return name


async def _executors(place: Place, run: str) -> list[str]:
    selector = executors.selector_of(labels.of_application_executor(place.workspace, run))
    return sorted(pod["metadata"]["name"] for pod in (await place.cluster.list("Pod", place.namespace, selector))[0])


async def _has_no_room(place: Place, executor: str) -> None:
    path = f"{executor}/status"
    await place.cluster.merge_patch("Pod", place.namespace, path, {"status": {"conditions": [NO_ROOM]}})


async def test_a_driver_has_what_it_needs_as_long_as_it_runs(place: Place) -> None:
    await _create(place, "etl")
    pod = await place.pod("etl")
    assert await _children(place, "etl") == dict.fromkeys(await _children(place, "etl"), True)
    assert pod["spec"]["serviceAccountName"] == "icefield-spark-application"
    [container] = pod["spec"]["containers"]
    assert container["image"] == "localhost/icefield/warehouse:test"
    config = await place.cluster.get("ConfigMap", place.namespace, names.spark_executor_config_map("etl"))
    assert config is not None
    assert json.loads(config["data"]["application.json"])["executors"] == 2
    await place.started("etl")
    await place.phase("etl", "running")
    await place.finished("etl")
    await place.phase("etl", "success")

    async def nothing_is_left() -> bool:
        return not any((await _children(place, "etl")).values())

    await eventually(nothing_is_left)


async def test_rights_stay_for_whoever_else_needs_them(place: Place) -> None:
    await _create(place, "one")
    await _create(place, "two")
    for name in ("one", "two"):
        await place.started(name)
    await place.finished("one")
    await place.phase("one", "success")

    async def cleared() -> bool:
        return not (await _children(place, "one"))["Secret"]

    await eventually(cleared)
    assert (await _children(place, "two")) == dict.fromkeys(await _children(place, "two"), True)


async def test_an_application_alone_gets_no_rights(place: Place) -> None:
    await place.create("Run", {"spark": {"sql": {"query": "SELECT 1"}, "executors": 0}}, "alone")
    pod = await place.pod("alone")
    assert pod["spec"].get("serviceAccountName", "default") == "default"
    there = await _children(place, "alone")
    assert (there["ConfigMap"], there["NetworkPolicy"], there["ServiceAccount"]) == (True, False, False)


async def test_executors_without_room_are_told_while_the_application_waits(place: Place) -> None:
    await _create(place, "wide")
    await place.started("wide")
    names_of_them = [await _executor(place, "wide", number) for number in (1, 2)]
    for name in names_of_them:
        await _has_no_room(place, name)
    expected = "2 of 2 executors: waiting for room in the cluster: 0/1 nodes are available: 1 Insufficient memory."
    run = await place.until("wide", lambda run: run.status and run.status.error == expected)
    assert run.phase == "running"
    for name in names_of_them:
        await place.kubelet.start(place.namespace, name)
    await place.until("wide", lambda run: run.status and run.status.error is None)


async def test_a_killed_driver_says_why_and_leaves_no_executors(place: Place) -> None:
    await _create(place, "doomed")
    name = await place.started("doomed")
    await place.phase("doomed", "running")
    for number in (1, 2):
        await place.kubelet.start(place.namespace, await _executor(place, "doomed", number))
    assert len(await _executors(place, "doomed")) == 2
    await place.kubelet.finish(place.namespace, name, 3, message="the driver ran out of memory")
    run = await place.phase("doomed", "failed")
    assert run.status
    assert run.status.error == "the driver ran out of memory"

    async def are_leaving() -> bool:
        found, _ = await place.cluster.list("Pod", place.namespace)
        mine = [pod for pod in found if "-exec-" in pod["metadata"]["name"]]
        return all("deletionTimestamp" in pod["metadata"] for pod in mine)

    await eventually(are_leaving)


async def test_a_cancelled_application_is_ended_with_time_to_end_its_executors(place: Place) -> None:
    await _create(place, "unwanted")
    name = await place.started("unwanted")
    await place.phase("unwanted", "running")
    await place.cancel("unwanted")

    async def told_to_end() -> Any:
        pod = await place.pod("unwanted")
        return pod["spec"].get("activeDeadlineSeconds") == 1 and pod

    pod = await eventually(told_to_end)
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    # It may still make calls: what it needs for them is there until it has ended.
    assert (await _children(place, "unwanted"))["RoleBinding"]
    await place.kubelet.enforce_deadline(place.namespace, name)
    await place.phase("unwanted", "cancelled")


@pytest.mark.parametrize(
    ("application", "error"),
    [
        ({"driver": {"memory": "512Mi"}}, "the driver has 512Mi of memory; Spark needs 1024Mi or more"),
        ({"executor": {"memory": "1000M"}}, "the executor has 1000M of memory; Spark needs 1024Mi or more"),
    ],
)
async def test_what_cannot_work_is_refused(place: Place, application: dict[str, Any], error: str) -> None:
    await _create(place, "small", **application)
    run: Run = await place.phase("small", "failed")
    assert run.status
    assert run.status.error == error
    assert await place.pods() == []

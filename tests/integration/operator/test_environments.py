"""Runs with requirements: what builds their environments, who waits for it, and what a failure becomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import TaskPhase, names, object_store
from icefield_crds.requirements import environment_digest, requirements_of
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from tests.eventually import eventually
from tests.object_store import REGION, RunningObjectStore

from .conftest import Place
from .kubelet import _now

pytestmark = pytest.mark.integration

RUNTIME = "localhost/icefield/runtime:test"
WANTED = ["humanize>=4"]
BUILDING = "building its environment"


@pytest.fixture
async def store(object_store: RunningObjectStore, place: Place) -> AsyncIterator[ObjectStore]:
    """A bucket of the test's own, in which the operator looks for environments."""
    keys = Credentials(object_store.access_key_id, object_store.secret_access_key)
    config = ObjectStoreConfig(Provider.STATIC, object_store.url, REGION, place.workspace, keys)
    async with ObjectStore.open(config) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture(autouse=True)
async def _operator(operators: Any, store: ObjectStore) -> AsyncIterator[None]:
    async with operators(store=store):
        yield


def _digest(image: str = RUNTIME, lines: list[str] | None = None) -> str:
    wanted = requirements_of(lines or WANTED, None)
    assert wanted is not None
    return environment_digest(wanted, image)


async def _builder(place: Place, digest: str) -> dict[str, Any]:
    name = names.environment_builder(digest)
    found: dict[str, Any] = await eventually(lambda: place.cluster.get("Pod", place.namespace, name))
    return found


async def _end(place: Place, digest: str, code: int = 0, message: str = "") -> None:
    name = names.environment_builder(digest)
    await place.kubelet.bind(place.namespace, name)
    ended = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": _now(), "finishedAt": _now()}
    container = {"image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "phase": "Failed" if code else "Succeeded",
        "initContainerStatuses": [
            {**container, "name": "build", "state": {"terminated": ended | ({"message": message} if message else {})}}
        ],
    }
    await place.cluster.merge_patch("Pod", place.namespace, f"{name}/status", {"status": status})


async def test_runs_share_one_build_and_start_when_it_is_stored(place: Place, store: ObjectStore) -> None:
    for name in ("a", "b"):
        await place.create("Run", {"command": "true", "requirements": WANTED}, name)
    digest = _digest()
    await _builder(place, digest)
    for name in ("a", "b"):
        run = await place.until(name, lambda run: run.status and run.status.error == BUILDING)
        assert run.status is not None
        assert [(task.status, task.error) for task in run.status.tasks] == [(TaskPhase.PENDING, BUILDING)]
    assert await place.pods() == [names.environment_builder(digest)]

    await store.put(object_store.environment_key(place.workspace, digest), b"packed")
    await _end(place, digest)
    for name in ("a", "b"):
        pod = await place.pod(name)
        (fetch,) = pod["spec"]["initContainers"]
        assert fetch["command"][-1] == object_store.environment_key(place.workspace, digest)
        await place.finished(name)
        assert (await place.phase(name, "success")).status.error is None
    assert names.environment_builder(digest) not in await place.pods()

    await place.create("Run", {"command": "true", "requirements": WANTED}, "c")
    await place.finished("c")
    await place.phase("c", "success")
    assert names.environment_builder(digest) not in await place.pods()


async def test_a_failed_build_fails_the_task_in_uvs_words_and_the_next_run_tries_again(place: Place) -> None:
    spec = {
        "tasks": [
            {"key": "needs", "command": "true", "requirements": WANTED},
            {"key": "does-not", "command": "true"},
        ]
    }
    await place.create("Run", spec, "first")
    await place.finished("first", "does-not")
    digest, why = _digest(), "Because there is no version of humanize==99 it cannot be met."
    first = await _builder(place, digest)
    await _end(place, digest, 1, why)
    run = await place.phase("first", "failed")
    assert run.status is not None
    assert run.status.error == f"task needs: its environment cannot be built: {why}"
    assert {task.key: task.status for task in run.status.tasks} == {"needs": "failed", "does-not": "success"}

    ended = run.status.completion_time
    assert ended is not None
    # Times in Kubernetes have whole seconds.
    await eventually(lambda: asyncio.sleep(0, datetime.now(UTC) > ended + timedelta(seconds=1)))
    await place.create("Run", spec, "second")

    async def is_built_again() -> bool:
        pod = await place.cluster.get("Pod", place.namespace, names.environment_builder(digest))
        return pod is not None and pod["metadata"]["uid"] != first["metadata"]["uid"]

    await eventually(is_built_again)
    await place.cancel("second")
    await place.phase("second", "cancelled")


async def test_each_image_has_its_own_environment(place: Place) -> None:
    tasks = [
        {"key": "a", "command": "true"},
        {"key": "b", "command": "true", "image": "acme/etl:1"},
        {"key": "c", "command": "true", "requirements": ["more"]},
    ]
    await place.create("Run", {"tasks": tasks, "requirements": WANTED}, "many")
    images = {}
    for digest in (_digest(), _digest("acme/etl:1"), _digest(lines=[*WANTED, "more"])):
        pod = await _builder(place, digest)
        images[digest] = pod["spec"]["initContainers"][1]["image"]
    assert list(images.values()) == [RUNTIME, "acme/etl:1", RUNTIME]

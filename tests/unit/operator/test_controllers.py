"""What an event, and what a write of ours, makes the queue look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.eventually import eventually

from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key

KEY = Key(Kind.RUN, "icefield-demo", "r")
JOB = Key(Kind.JOB, "icefield-demo", "etl")
POD = Key(Kind.POD, "icefield-demo", "p")
WAREHOUSE = Key(Kind.WAREHOUSE, "icefield-demo", "wh")


def _run(version: int, generation: int) -> dict[str, Any]:
    metadata = {
        "name": KEY.name,
        "namespace": KEY.namespace,
        "uid": "u",
        "resourceVersion": str(version),
        "generation": generation,
    }
    return {"kind": "Run", "metadata": metadata, "spec": {"command": "true"}}


async def _pass(key: Key) -> None:
    raise AssertionError(f"nothing works on {key} here")


def _object(key: Key, version: int = 1, **metadata: Any) -> dict[str, Any]:
    named = {"name": key.name, "namespace": key.namespace, "uid": f"uid-{key.name}", "resourceVersion": str(version)}
    return {"kind": key.kind, "metadata": named | metadata, "spec": {}}


def _known(controllers: Controllers) -> None:
    for key in (JOB, KEY, POD, WAREHOUSE):
        controllers.cache.observe(None, _object(key))


Act = Callable[[ClusterCache], None]
NEW = Key(Kind.RUN, "icefield-demo", "etl-1")


@pytest.mark.parametrize(
    ("by", "act", "enqueued"),
    [
        pytest.param(JOB, lambda cache: cache.record(_object(NEW, 2)), {NEW}, id="a job's pass creates a run"),
        pytest.param(JOB, lambda cache: cache.record(_object(KEY, 2)), {KEY}, id="a job's pass changes a run"),
        pytest.param(KEY, lambda cache: cache.record(_object(KEY, 2)), {JOB}, id="a run's pass writes its status"),
        pytest.param(KEY, lambda cache: cache.record(_object(POD, 2)), {POD}, id="a run's pass changes its pod"),
        pytest.param(WAREHOUSE, lambda cache: cache.record(_object(POD, 2)), {POD, KEY}, id="another pass changes it"),
        pytest.param(None, lambda cache: cache.record(_object(KEY, 2)), {KEY, JOB}, id="what is no pass writes"),
        pytest.param(
            JOB, lambda cache: cache.forget("Run", KEY.namespace, "r", None), {KEY}, id="a job's pass finds a run gone"
        ),
        pytest.param(
            KEY, lambda cache: cache.forget("Run", KEY.namespace, "r", None), {JOB}, id="a run's pass finds itself gone"
        ),
        pytest.param(
            KEY, lambda cache: cache.forget("Pod", KEY.namespace, "p", None), {POD}, id="a run's pass deletes its pod"
        ),
        pytest.param(None, lambda cache: cache.replace(Kind.RUN, [], "9"), {KEY, JOB}, id="a list lacks a run"),
        pytest.param(
            KEY,
            lambda cache: cache.record(_object(KEY, 2, annotations={"wake": "now"})),
            {KEY, JOB},
            id="a write's answer shows what others ordered",
        ),
    ],
)
async def test_who_learns_of_a_change_that_no_event_will_report(by: Key | None, act: Act, enqueued: set[Key]) -> None:
    made: set[Key] = set()
    worked: set[Key] = set()
    controllers = Controllers(ClusterCache(), workers=1)

    async def work(key: Key) -> None:
        if key == by and not made:
            made.add(key)
            act(controllers.cache)
        else:
            worked.add(key)

    for kind in (Kind.JOB, Kind.RUN, Kind.POD, Kind.WAREHOUSE):
        controllers.register(kind, work)
    controllers.relate(Kind.RUN, lambda _: [JOB])
    controllers.relate(Kind.POD, lambda _: [KEY])
    _known(controllers)
    if by is None:
        act(controllers.cache)
    else:
        controllers.enqueue(by)
    await _work_through(controllers)
    assert worked == enqueued


async def test_what_a_pass_started_is_not_its_pass_after_its_end() -> None:
    controllers = Controllers(ClusterCache(), workers=1)
    passes: list[Key] = []
    going_on: list[asyncio.Task[None]] = []
    ended = asyncio.Event()

    async def write_later() -> None:
        await ended.wait()
        controllers.cache.record(_object(KEY, 2))

    async def work(key: Key) -> None:
        passes.append(key)
        if not going_on:
            going_on.append(asyncio.create_task(write_later()))

    controllers.register(Kind.RUN, work)
    _known(controllers)
    controllers.enqueue(KEY)
    await _work_through(controllers)
    ended.set()
    await going_on[0]
    await _work_through(controllers)
    assert passes == [KEY, KEY]


async def _work_through(controllers: Controllers) -> None:
    async def is_idle() -> bool:
        return not len(controllers.queue)

    working = asyncio.create_task(controllers.queue.run())
    await eventually(is_idle)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_change_by_others_that_came_with_our_own_write_is_not_missed() -> None:
    cache = ClusterCache()
    controllers = Controllers(cache)
    controllers.register(Kind.RUN, _pass)
    cache.observe("ADDED", _run(1, generation=1))
    cache.record(_run(4, generation=2))
    assert len(controllers.queue) == 1
    controllers.handle("MODIFIED", _run(3, generation=2))
    controllers.handle("MODIFIED", _run(4, generation=2))
    assert len(controllers.queue) == 1, "the watch tells nothing new afterwards"


async def test_keys_of_something_that_is_no_object_are_named_after_those_of_a_kind() -> None:
    controllers = Controllers(ClusterCache())
    controllers.register("Pool", _pass, names_of=Kind.RUN)
    controllers.handle("ADDED", _run(1, generation=1))
    assert len(controllers.queue) == 0, "only a relation enqueues them"
    controllers.enqueue_all()
    assert len(controllers.queue) == 1


async def test_a_resync_works_on_a_workspace_before_what_is_in_it() -> None:
    worked: list[str] = []
    done = asyncio.Event()

    async def note(key: Key) -> None:
        worked.append(key.kind)
        if len(worked) == len(registered):
            done.set()

    controllers = Controllers(ClusterCache(), workers=1)
    registered = (Kind.WAREHOUSE, Kind.RUN, Kind.WORKSPACE, Kind.POD)
    for kind in registered:
        controllers.register(kind, note)
        metadata = {"name": "x", "namespace": KEY.namespace, "uid": kind.value, "resourceVersion": "1"}
        controllers.cache.observe("ADDED", {"kind": kind.value, "metadata": metadata})
    controllers.enqueue_all()
    working = asyncio.create_task(controllers.queue.run())
    await asyncio.wait_for(done.wait(), 5)
    working.cancel()
    assert worked == [Kind.POD, Kind.WORKSPACE, Kind.RUN, Kind.WAREHOUSE]

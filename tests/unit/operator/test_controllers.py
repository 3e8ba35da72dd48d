"""What an event, and what a write of ours, makes the queue look at."""

from __future__ import annotations

import asyncio
from typing import Any

from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key

KEY = Key(Kind.RUN, "icefield-demo", "r")


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


async def test_a_change_by_others_that_came_with_our_own_write_is_not_missed() -> None:
    cache = ClusterCache()
    controllers = Controllers(cache)
    controllers.register(Kind.RUN, _pass)
    cache.observe("ADDED", _run(1, generation=1))
    cache.record(_run(2, generation=1))
    assert len(controllers.queue) == 0, "our own status write is no news"
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

"""What an event, and what a write of ours, makes the queue look at."""

from __future__ import annotations

from typing import Any

from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key
from icefield_operator.world import Kind, World

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
    world = World()
    controllers = Controllers(world)
    controllers.register(Kind.RUN, _pass)
    world.observe("ADDED", _run(1, generation=1))
    world.record(_run(2, generation=1))
    assert len(controllers.queue) == 0, "our own status write is no news"
    world.record(_run(4, generation=2))
    assert len(controllers.queue) == 1
    controllers.handle("MODIFIED", _run(3, generation=2))
    controllers.handle("MODIFIED", _run(4, generation=2))
    assert len(controllers.queue) == 1, "the watch tells nothing new afterwards"


async def test_keys_of_something_that_is_no_object_are_named_after_those_of_a_kind() -> None:
    controllers = Controllers(World())
    controllers.register("Pool", _pass, names_of=Kind.RUN)
    controllers.handle("ADDED", _run(1, generation=1))
    assert len(controllers.queue) == 0, "only a relation enqueues them"
    controllers.enqueue_all()
    assert len(controllers.queue) == 1

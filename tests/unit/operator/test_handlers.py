"""What a reflector receives reaches the snapshot and the queue, as an event of kopf does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from icefield_kube.client import Manifest
from icefield_kube.watch import Receiver
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.handlers import REFLECTED, reflectors_for
from icefield_operator.queue import Key


class Receivers(Cluster):
    """Hands out what each reflector would deliver to."""

    def __init__(self) -> None:
        self.of: dict[str, Receiver] = {}

    def reflector(self, kind: str, receiver: Receiver, **_: Any) -> Any:
        self.of[kind] = receiver
        return receiver


def run_of(name: str, version: int) -> Manifest:
    metadata = {"name": name, "namespace": "icefield-demo", "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"jobRef": {"name": "j"}}}


def key_of(name: str) -> Key:
    return Key(Kind.RUN, "icefield-demo", name)


@pytest.fixture
def worked() -> list[Key]:
    return []


@pytest.fixture
def controllers(worked: list[Key], monkeypatch: pytest.MonkeyPatch) -> Iterator[Controllers]:
    """Controllers whose queue only records keys."""
    made = Controllers(ClusterCache())

    async def never(key: Key) -> None:
        raise AssertionError(key)

    made.register(Kind.RUN, never)
    made.register(Kind.JOB, never)
    made.relate(Kind.RUN, lambda run: [Key(Kind.JOB, "icefield-demo", run["spec"]["jobRef"]["name"])])
    monkeypatch.setattr(made.queue, "add", worked.append)
    yield made


def receiver_of(controllers: Controllers) -> Receiver:
    cluster = Receivers()
    reflectors_for(controllers, cluster, dict.fromkeys(REFLECTED, "1"))
    return cluster.of[Kind.RUN]


def test_a_change_and_a_deletion_enqueue_the_object_and_its_relations(
    controllers: Controllers, worked: list[Key]
) -> None:
    receiver, both = receiver_of(controllers), [key_of("r"), Key(Kind.JOB, "icefield-demo", "j")]
    receiver.put({**run_of("r", 1), "kind": "Run"})
    assert worked == both
    receiver.put({**run_of("r", 1), "kind": "Run"})
    assert worked == both, "what is known already is no news"
    receiver.remove(run_of("r", 2))
    assert worked == both * 2
    assert controllers.cache.run("icefield-demo", "r") is None
    receiver.remove(run_of("unknown", 3))
    assert worked == both * 2


def test_a_list_enqueues_what_differs(controllers: Controllers, worked: list[Key]) -> None:
    receiver = receiver_of(controllers)
    for name in ("same", "changed", "gone"):
        receiver.put({**run_of(name, 1), "kind": "Run"})
    worked.clear()
    for listed in (run_of("same", 1), run_of("changed", 2), run_of("new", 3)):
        receiver.put(listed)
    assert controllers.cache.manifest(Kind.RUN, "gone"), "the list may have it on a later page"
    receiver.retain({"same", "changed", "new"}, 5)
    assert {key.name for key in worked if key.kind == Kind.RUN} == {"changed", "new", "gone"}
    assert controllers.cache.manifest(Kind.RUN, "gone") is None
    assert controllers.cache.watch_age(Kind.RUN) < 1, "the watch goes on after the list: no version is awaited"

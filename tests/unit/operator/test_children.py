"""Children that somebody changes by hand: looked at, not remembered."""

from __future__ import annotations

from typing import Any, cast

import pytest

from icefield_kube.client import Manifest
from icefield_operator.children import Children, contains
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key

BINDING: Manifest = {
    "kind": "RoleBinding",
    "metadata": {"name": "b", "namespace": "n"},
    "subjects": [{"kind": "User", "name": "ada"}],
}


class FakeCluster:
    """Counts writes, and answers with a new version of what was written."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    async def apply(self, manifest: Manifest) -> Manifest:
        self.writes.append("apply")
        return stored(manifest, version=10 + len(self.writes))

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        self.writes.append("delete")


def stored(manifest: Manifest, version: int, **metadata: Any) -> Manifest:
    more = {"uid": "u", "resourceVersion": str(version), **metadata}
    return {**manifest, "metadata": {**manifest["metadata"], **more}}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def controllers() -> Controllers:
    controllers = Controllers(ClusterCache())
    controllers.register(Kind.WORKSPACE, cast(Any, None))
    return controllers


@pytest.fixture
def children(cluster: FakeCluster, controllers: Controllers) -> Children:
    children = Children(cast(Cluster, cluster), controllers)
    children.relate(lambda child: [Key(Kind.WORKSPACE, "", "w")])
    return children


@pytest.mark.parametrize(
    ("present", "writes"),
    [
        (None, ["apply"]),
        (stored(BINDING, 1), []),
        (stored({**BINDING, "subjects": []}, 1), ["apply"]),
        (stored({**BINDING, "roleRef": {"name": "added by the server"}}, 1), []),
        (stored(BINDING, 1, deletionTimestamp="2026-01-01T00:00:00Z"), ["apply"]),
    ],
    ids=["missing", "there", "changed", "more than is wanted", "being deleted"],
)
async def test_only_what_differs_is_written(
    children: Children, cluster: FakeCluster, present: Manifest | None, writes: list[str]
) -> None:
    if present:
        children._views["RoleBinding"].put(present)
    await children.ensure(BINDING)
    await children.ensure(BINDING)
    assert cluster.writes == writes


async def test_what_should_not_be_there_is_deleted_once(children: Children, cluster: FakeCluster) -> None:
    await children.ensure_absent(BINDING)
    assert cluster.writes == []
    children._views["RoleBinding"].put(stored(BINDING, 1))
    for _ in range(2):
        await children.ensure_absent(BINDING)
    assert cluster.writes == ["delete"]


async def test_what_others_do_enqueues_the_owner(children: Children, controllers: Controllers) -> None:
    view, queue = children._views["RoleBinding"], controllers.queue

    def enqueued() -> int:
        waiting = len(queue)
        queue._ready.clear(), queue._waiting.clear()
        return waiting

    await children.ensure(BINDING)
    view.put(stored(BINDING, 11))
    assert enqueued() == 0, "the event of our own write"
    view.put(stored({**BINDING, "subjects": []}, 12))
    assert enqueued() == 1, "somebody changed it"
    view.remove(stored(BINDING, 12, uid="another"))
    assert enqueued() == 0
    view.remove(stored(BINDING, 12))
    assert enqueued() == 1, "somebody deleted it"
    view.put(stored(BINDING, 13))
    view.retain(set(), 14)
    assert enqueued() == 1, "it was deleted while the watch was away"
    view.put(stored(BINDING, 15))
    view.retain(set(), 14)
    assert enqueued() == 0, "the list is older than it"


async def test_the_late_answer_to_a_write_does_not_hide_that_somebody_deleted_it(
    children: Children, cluster: FakeCluster
) -> None:
    view = children._views["RoleBinding"]
    view.put(stored(BINDING, 9))
    view.remove(stored(BINDING, 12))
    view.record(stored(BINDING, 11))
    await children.ensure(BINDING)
    assert cluster.writes == ["apply"]


async def test_what_waits_for_a_finalizer_after_its_deletion_is_still_known(children: Children) -> None:
    view = children._views["RoleBinding"]
    view.put(stored(BINDING, 9))
    await children.ensure_absent(BINDING)
    assert children.find("RoleBinding", "n", "b") is None
    ending = stored(BINDING, 10, deletionTimestamp="2026-01-01T00:00:00Z")
    view.put(ending)
    assert children.find("RoleBinding", "n", "b") == ending


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"b": [1, {"c": 2, "d": 3}]}}, {"a": {"b": [1, {"c": 2}]}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": {"b": 1}}, False),
        ({}, {"a": 1}, False),
    ],
)
def test_contains(present: Any, wanted: Any, expected: bool) -> None:
    assert contains(present, wanted) is expected

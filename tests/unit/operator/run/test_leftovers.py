"""What ended runs have left is deleted in few calls, also when another process saw them end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from icefield_crds import Run
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest
from icefield_kube.errors import Unreachable
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.run.leftovers import KINDS, RUNS_AT_ONCE, Leftovers

NAMESPACE = "icefield-demo"


class RecordingCluster(Cluster):
    """Records what is deleted; lists what it was given."""

    def __init__(self, *listed: Manifest) -> None:
        self.listed = listed
        self.collections: list[tuple[str, str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self.failures = 0
        self.refused = ""
        """A namespace, or the name of an object, in which nothing can be deleted."""
        self.unlistable = False
        self.searches = 0

    async def delete_collection(self, kind: str, namespace: str, selector: str) -> None:
        if namespace == self.refused:
            raise Unreachable("refused")
        if self.failures:
            self.failures -= 1
            raise Unreachable("refused")
        self.collections.append((kind, namespace, selector))

    async def delete(self, kind: str, namespace: str | None, name: str, **_: Any) -> None:
        if name == self.refused:
            raise Unreachable("refused")
        self.deleted.append((kind, name))

    async def metadata_of(self, kind: str, selector: str) -> AsyncIterator[Manifest]:
        self.searches += 1
        if self.unlistable:
            raise Unreachable("refused")
        for item in self.listed:
            if item["kind"] == kind:
                yield item


def run_of(name: str, phase: str = "success", uid: str = "") -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid or f"uid-{name}", "resourceVersion": "1"},
        "spec": {"command": "true"},
        "status": {"phase": phase},
    }


def secret_of(run: str, uid: str = "") -> Manifest:
    reference = {"apiVersion": API_VERSION, "kind": "Run", "name": run, "uid": uid or f"uid-{run}"}
    metadata = {"name": f"{run}-token", "namespace": NAMESPACE, "uid": f"secret-{run}", "ownerReferences": [reference]}
    return {"kind": "Secret", "metadata": metadata}


async def test_many_runs_are_cleaned_up_with_few_calls() -> None:
    cluster = RecordingCluster()
    leftovers = Leftovers(cluster, ClusterCache())
    for number in range(RUNS_AT_ONCE + 1):
        leftovers.add(Run.model_validate(run_of(f"r{number}")), ["Secret"])
    await leftovers.delete()
    assert [(kind, namespace) for kind, namespace, _ in cluster.collections] == [("Secret", NAMESPACE)] * 2
    uids = [uid for *_, selector in cluster.collections for uid in selector.split("(")[1].rstrip(")").split(",")]
    assert sorted(uids) == sorted(f"uid-r{number}" for number in range(RUNS_AT_ONCE + 1))
    await leftovers.delete()
    assert len(cluster.collections) == 2, "nothing is deleted twice"


async def test_what_could_not_be_deleted_is_deleted_later() -> None:
    cluster = RecordingCluster()
    cluster.failures = 1
    leftovers = Leftovers(cluster, ClusterCache())
    leftovers.add(Run.model_validate(run_of("r")), ["Secret"])
    with pytest.raises(Unreachable):
        await leftovers.delete()
    await leftovers.delete()
    assert len(cluster.collections) == 1


async def test_the_search_finds_what_another_process_has_left_and_nothing_else() -> None:
    cache = ClusterCache()
    for run in (run_of("ended"), run_of("lives", "running"), run_of("again", uid="second")):
        cache.observe("ADDED", run)
    cluster = RecordingCluster(
        secret_of("ended"), secret_of("lives"), secret_of("unknown"), secret_of("again", uid="first")
    )
    await Leftovers(cluster, cache).search()
    assert cluster.deleted == [("Secret", "ended-token")]


async def test_what_is_refused_in_one_namespace_keeps_nothing_in_others() -> None:
    cluster = RecordingCluster()
    cluster.refused = NAMESPACE
    leftovers = Leftovers(cluster, ClusterCache())
    for namespace in (NAMESPACE, "icefield-other"):
        manifest = run_of("r")
        manifest["metadata"]["namespace"] = namespace
        leftovers.add(Run.model_validate(manifest), ["Secret"])
    with pytest.raises(Unreachable):
        await leftovers.delete()
    assert [namespace for _, namespace, _ in cluster.collections] == ["icefield-other"]


async def test_the_search_goes_on_after_what_is_refused() -> None:
    cache = ClusterCache()
    for name in ("one", "two"):
        cache.observe("ADDED", run_of(name))
    cluster = RecordingCluster(secret_of("one"), secret_of("two"))
    cluster.refused = "one-token"
    with pytest.raises(Unreachable):
        await Leftovers(cluster, cache).search()
    assert cluster.deleted == [("Secret", "two-token")]


async def test_a_search_that_fails_is_not_repeated_at_once_and_keeps_nothing_from_being_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("icefield_operator.run.leftovers.EACH_SECONDS", 0.01)
    cluster = RecordingCluster()
    cluster.unlistable = True
    leftovers = Leftovers(cluster, ClusterCache())
    leftovers.add(Run.model_validate(run_of("r")), ["Secret"])
    task = asyncio.create_task(leftovers.run())
    await asyncio.sleep(0.2)
    task.cancel()
    assert len(cluster.collections) == 1
    assert cluster.searches == len(KINDS)

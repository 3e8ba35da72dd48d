"""Resources are found by every name they have, names stay unique, and updates survive a concurrent change."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.apiserver.kube.kubernetes import FakeKubernetes

from icefield_apiserver.core.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.core.kube import Cluster, Impersonation, NamedResources, WatchedKind
from icefield_apiserver.core.kube.cluster import UPDATE_ATTEMPTS
from icefield_apiserver.core.kube.flavors import check_flavors_exist
from icefield_apiserver.core.kube.indexes import BY_NAME
from icefield_apiserver.core.kube.named_resources import slug_for
from icefield_apiserver.core.pagination import Window
from icefield_crds import Job, Run

JOBS = "/apis/icefield.dev/v1alpha1/namespaces/icefield-acme/jobs"
CALLER = Impersonation("icefield:acme:editor", "ann@acme.io")


def job(name: str, display_name: str | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "icefield-acme"},
        "spec": {"command": "x"} | ({"displayName": display_name} if display_name else {}),
    }


class Acme:
    """A cluster over a fake Kubernetes, and its jobs."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.cluster = Cluster(self.kubernetes, [WatchedKind(Job, BY_NAME)])
        self.jobs = NamedResources(self.cluster, Job)

    def add(self, name: str, display_name: str | None = None, *, cached: bool = True) -> Job:
        stored = Job.model_validate(self.kubernetes.put(f"{JOBS}/{name}", job(name, display_name)))
        if cached:
            self.cluster.cache(Job).store.put(stored)
        return stored


@pytest.fixture
def acme() -> Acme:
    return Acme()


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("address", ["public id", "nightly-load", "Nightly Load"])
async def test_a_resource_is_found_by_id_name_and_display_name(acme: Acme, address: str, cached: bool) -> None:
    stored = acme.add("nightly-load", "Nightly Load", cached=cached)
    found = await acme.jobs.get("acme", stored.public_id if address == "public id" else address)
    assert found.metadata.uid == stored.metadata.uid
    assert bool(acme.kubernetes.calls) is not cached


@pytest.mark.parametrize("written", ["job_000000000000", "hourly", "NIGHTLY-LOAD", "../secrets", "!"])
async def test_what_is_not_there_is_a_404(acme: Acme, written: str) -> None:
    acme.add("nightly-load", "Nightly Load", cached=False)
    with pytest.raises(NotFound) as refused:
        await acme.jobs.get("acme", written)
    assert refused.value.sentence == f"There is no job {written} in workspace acme."


async def test_a_display_name_with_a_dot_is_found_before_the_watch_delivers_it(acme: Acme) -> None:
    stored = acme.add("etl-daily", "etl.daily", cached=False)
    assert (await acme.jobs.get("acme", "etl.daily")).metadata.uid == stored.metadata.uid


async def test_a_kind_without_display_names_is_found_by_its_name_only() -> None:
    kubernetes = FakeKubernetes()
    cluster = Cluster(kubernetes)
    path = "/apis/icefield.dev/v1alpha1/namespaces/icefield-acme/runs/run-1"
    kubernetes.put(path, job("run-1"))
    runs: NamedResources[Run] = NamedResources(cluster, Run)
    assert (await runs.get("acme", "run-1")).metadata.name == "run-1"
    assert await runs.find("acme", "Run 1") is None


def test_a_name_is_taken_by_names_and_display_names_alike(acme: Acme) -> None:
    stored = acme.add("nightly-load", "Nightly Load")
    for name in ("nightly-load", "Nightly Load"):
        acme.jobs.check_name_is_free("acme", name, stored)
        with pytest.raises(Conflict) as refused:
            acme.jobs.check_name_is_free("acme", name)
        assert refused.value.sentence == f"A job named {name} already exists in workspace acme."
    acme.jobs.check_name_is_free("acme", "hourly")
    acme.jobs.check_name_is_free("other", "nightly-load")


async def test_pages_cover_the_workspace_in_order(acme: Acme) -> None:
    for name in ("c", "a", "b"):
        acme.add(name)
    first = acme.jobs.page("acme", Window(limit=2), lambda found: found.metadata.name)
    assert first.data == ["a", "b"]
    rest = acme.jobs.page("acme", Window(cursor=first.next_cursor), lambda found: found.metadata.name)
    assert (rest.data, rest.next_cursor) == (["c"], None)


async def test_what_was_created_is_read_at_once_and_what_was_deleted_is_gone(acme: Acme) -> None:
    created = await acme.jobs.create(Job.model_validate(job("nightly")), CALLER)
    assert acme.jobs.current(created.metadata.uid) == created
    await acme.jobs.delete(created, CALLER)
    assert acme.jobs.current(created.metadata.uid) is None


async def test_what_waits_for_a_finalizer_is_shown_until_it_is_gone(acme: Acme) -> None:
    stored = acme.add("nightly")
    finalized = job("nightly") | {"kind": "Job"}
    finalized["metadata"]["finalizers"] = ["example.com/kept"]  # the cache has not heard of it
    acme.kubernetes.put(f"{JOBS}/nightly", finalized)
    await acme.jobs.delete(stored, CALLER)
    found = acme.jobs.current(stored.metadata.uid)
    assert found
    assert found.metadata.finalizers == ["example.com/kept"]


async def test_a_resource_that_does_not_validate_any_more_stays_as_it_was_when_listed_again(acme: Acme) -> None:
    stored, cache = acme.add("nightly"), acme.cluster.cache(Job)
    broken = acme.kubernetes.put(f"{JOBS}/nightly", job("nightly") | {"spec": {"command": 7}})
    cache.put(broken)
    cache.retain({stored.metadata.uid}, 99)
    assert acme.jobs.current(stored.metadata.uid) == stored
    cache.retain(set(), 99)
    assert acme.jobs.current(stored.metadata.uid) is None


async def test_an_update_is_computed_again_from_the_newer_version(acme: Acme) -> None:
    stale = acme.add("nightly")
    acme.kubernetes.put(f"{JOBS}/nightly", {**job("nightly"), "spec": {"command": "y"}})

    async def append(current: Job) -> dict[str, Any]:
        return {"command": f"{current.spec.command}z"}

    assert (await acme.jobs.update(stale, append, CALLER)).spec.command == "yz"


async def test_an_update_without_a_difference_writes_nothing(acme: Acme) -> None:
    stored = acme.add("nightly")

    async def nothing(_: Job) -> dict[str, Any]:
        return {}

    assert await acme.jobs.update(stored, nothing, CALLER) is stored
    assert acme.kubernetes.calls == []


async def test_an_update_gives_up_when_others_change_the_resource_each_time(acme: Acme) -> None:
    stored = acme.add("nightly")
    attempts = 0

    async def interrupted(_: Job) -> dict[str, Any]:
        nonlocal attempts
        attempts += 1
        acme.kubernetes.put(f"{JOBS}/nightly", job("nightly"))
        return {"command": "z"}

    with pytest.raises(Conflict):
        await acme.jobs.update(stored, interrupted, CALLER)
    assert attempts == UPDATE_ATTEMPTS


async def test_an_update_of_a_deleted_resource_is_a_404(acme: Acme) -> None:
    stored = acme.add("nightly")
    acme.kubernetes.objects.pop(f"{JOBS}/nightly")
    acme.kubernetes.put(f"{JOBS}/nightly", job("nightly"))  # its successor has another uid

    async def change(_: Job) -> dict[str, Any]:
        return {"command": "z"}

    with pytest.raises(NotFound):
        await acme.jobs.update(stored, change, CALLER)


async def test_flavors_must_exist(acme: Acme) -> None:
    acme.kubernetes.put(
        "/apis/icefield.dev/v1alpha1/flavors/cpu.2",
        {"metadata": {"name": "cpu.2"}, "spec": {"cpu": "2", "memory": "4Gi"}},
    )
    await check_flavors_exist(acme.cluster.flavors, ["cpu.2"])
    with pytest.raises(BadRequest) as refused:
        await check_flavors_exist(acme.cluster.flavors, ["cpu.2", "cpu.3"])
    assert refused.value.sentence == "There is no flavor cpu.3; there are: cpu.2."


def test_a_name_needs_a_letter_or_digit() -> None:
    assert slug_for("Nightly Load") == "nightly-load"
    with pytest.raises(BadRequest):
        slug_for("!!!")

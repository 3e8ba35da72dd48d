"""A store never goes back in time, whatever order news arrives in."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from icefield_apiserver.core.kube.indexes import (
    BY_NAME,
    RUNS,
    display_name_group,
    job_group,
    phase_group,
    unfinished_group,
)
from icefield_apiserver.core.kube.store import Store, identity_of
from icefield_crds import Job, Run, RunPhase

START = datetime(2026, 6, 1, tzinfo=UTC)


def run(uid: int, version: int = 1, *, phase: str = "pending", job: str | None = "j", age: int = 0) -> Run:
    spec: dict[str, Any] = {"jobRef": {"name": job}} if job else {"command": "x"}
    metadata = {
        "name": f"run-{uid}",
        "namespace": "icefield-a",
        "uid": f"{uid:08x}-0000-0000-0000-000000000000",
        "resourceVersion": str(version),
        "creationTimestamp": START - timedelta(seconds=age),
    }
    return Run.model_validate({"metadata": metadata, "spec": spec, "status": {"phase": phase}})


def names(store: Store[Run], group: str = "icefield-a") -> list[str]:
    return [resource.metadata.name for _, resource in store.walk(group)]


def test_it_is_found_by_every_key() -> None:
    store = Store(Run, RUNS)
    one = run(1)
    assert store.put(one)
    assert store.get("icefield-a", "run-1") is one
    assert store.by_uid(one.metadata.uid) is one
    assert store.by_public_id("icefield-a", one.public_id) is one
    assert store.get("icefield-b", "run-1") is None
    assert store.by_public_id("icefield-b", one.public_id) is None
    assert names(store, job_group("icefield-a", "j")) == ["run-1"]


def test_an_older_version_changes_nothing() -> None:
    store = Store(Run, RUNS)
    store.put(run(1, 10, phase="success"))
    assert not store.put(run(1, 9, phase="running"))
    assert not store.put(run(1, 10, phase="running"))
    found = store.get("icefield-a", "run-1")
    assert found is not None
    assert found.phase == "success"


def test_versions_compare_as_numbers() -> None:
    store = Store(Run, RUNS)
    store.put(run(1, 9))
    assert store.put(run(1, 10))


def test_the_deleted_never_comes_back() -> None:
    store = Store(Run, RUNS)
    one = run(1, 5)
    store.put(one)
    store.remove(one.metadata.uid)
    assert not store.put(run(1, 4))
    assert not store.put(run(1, 6))
    assert len(store) == 0
    assert names(store) == []


def test_a_successor_of_the_same_name_replaces_one_whose_deletion_was_missed() -> None:
    store = Store(Run, RUNS)
    store.put(run(1, 5))
    successor = run(2, 6).model_copy(update={"metadata": run(2, 6).metadata.model_copy(update={"name": "run-1"})})
    assert store.put(successor)
    assert store.get("icefield-a", "run-1") is successor
    assert len(store) == 1
    assert not store.put(run(1, 5))


def test_a_list_removes_what_it_lacks_but_not_what_is_newer() -> None:
    store = Store(Run, RUNS)
    store.put(run(1, 5))
    store.put(run(2, 6))
    store.put(run(3, 30))  # our own write, made after the list was
    listed = [run(2, 6), run(4, 7)]
    for each in listed:
        store.put(each)
    store.retain({each.metadata.uid for each in listed}, version=20)
    assert sorted(names(store)) == ["run-2", "run-3", "run-4"]


def test_groups_follow_changes() -> None:
    store = Store(Run, RUNS)
    store.put(run(1, 1))
    assert store.count(unfinished_group("icefield-a")) == 1
    store.put(run(1, 2, phase="failed"))
    assert store.count(unfinished_group("icefield-a")) == 0
    assert store.count("icefield-a") == 1


def test_runs_are_newest_first_and_jobs_by_name() -> None:
    store = Store(Run, RUNS)
    for uid, age in ((1, 30), (2, 10), (3, 20), (4, 10)):
        store.put(run(uid, age=age))
    assert names(store) == ["run-2", "run-4", "run-3", "run-1"]
    jobs = Store(Job, BY_NAME)
    for number, name in enumerate(("b", "c", "a")):
        spec = {"command": "x", "displayName": name.upper()}
        metadata = {"name": name, "namespace": "n", "uid": f"u{number}", "resourceVersion": "1"}
        jobs.put(Job.model_validate({"metadata": metadata, "spec": spec}))
    assert [job.metadata.name for _, job in jobs.walk("n")] == ["a", "b", "c"]
    assert [job.metadata.name for _, job in jobs.walk(display_name_group("n", "B"))] == ["b"]


def test_events_in_any_order_end_in_the_same_state() -> None:
    news = [run(uid, version, phase=phase) for uid in range(5) for version, phase in ((1, "pending"), (2, "success"))]
    chance = random.Random(7)  # noqa: S311
    for _ in range(50):
        chance.shuffle(news)
        store = Store(Run, RUNS)
        for item in news:
            store.put(item)
        assert {identity_of(found).version for found in store.all()} == {2}
        assert len(names(store)) == 5
        assert store.count(unfinished_group("icefield-a")) == 0


async def test_a_listener_is_notified_of_each_change_and_of_the_deletion() -> None:
    store = Store(Run, RUNS)
    one, other = run(1), run(2)
    store.put(one)
    with store.listening(one.metadata.uid) as first, store.listening(one.metadata.uid) as second:
        store.put(other)
        assert not first.is_set()
        store.put(run(1, 1, phase="success"))
        assert not first.is_set()
        store.put(run(1, 2, phase="running"))
        assert first.is_set()
        assert second.is_set()
        first.clear()
        store.remove(one.metadata.uid)
        assert first.is_set()
        second.clear()
    store.put(run(1, 3))
    assert not second.is_set()
    assert not store._listeners._events


def test_an_ended_run_is_packed_and_reads_the_same() -> None:
    store = Store(Run, RUNS)
    one = run(1, phase="success", age=5)
    store.put(one)
    assert store.by_uid(one.metadata.uid) == one
    assert [ended.uid for ended in store.summaries()] == [one.metadata.uid]
    assert names(store, phase_group("icefield-a", RunPhase.SUCCESS)) == ["run-1"]
    assert names(store, phase_group(job_group("icefield-a", "j"), RunPhase.SUCCESS)) == ["run-1"]
    assert names(store, phase_group("icefield-a", RunPhase.PENDING)) == []


def test_a_newer_version_of_an_ended_run_is_read_once_it_is_stored() -> None:
    store = Store(Run, RUNS)
    for version, phase in ((1, "running"), (2, "success"), (3, "failed")):
        store.put(run(1, version, phase=phase))
        found = store.get("icefield-a", "run-1")
        assert found
        assert found.phase == phase
    store.remove(run(1).metadata.uid)
    assert store.summaries() == []

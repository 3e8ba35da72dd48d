"""The cached view: own writes count at once, nothing older undoes them, and a dead watch shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from icefield_crds import Run, RunPhase
from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_kube.errors import Gone
from icefield_kube.store import GroupCounts
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.run.metrics import phases_of


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def cache(clock: _Clock) -> ClusterCache:
    return ClusterCache(clock)


def _run(version: int, uid: str = "u1", name: str = "r", command: str = "true") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "icefield-demo", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "Run", "metadata": metadata, "spec": {"command": command}}


def _pod(version: int, owner: str, name: str = "p") -> dict[str, Any]:
    reference = {"kind": "Run", "name": "r", "uid": owner}
    metadata = {"name": name, "namespace": "icefield-demo", "uid": name, "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": {**metadata, "ownerReferences": [reference]}, "spec": {}}


def _command(cache: ClusterCache) -> str | None:
    run = cache.run("icefield-demo", "r")
    return run.spec.command if run else None


def test_an_older_event_does_not_undo_our_own_write(cache: ClusterCache) -> None:
    cache.observe(None, _run(1, command="old"))
    cache.record(_run(5, command="written"))
    assert not cache.observe("MODIFIED", _run(3, command="stale"))
    assert _command(cache) == "written"
    assert not cache.observe("MODIFIED", _run(5, command="written"))
    assert cache.observe("MODIFIED", _run(6, command="newer"))
    assert _command(cache) == "newer"


def test_the_late_deletion_of_a_namesake_does_not_remove_the_new_one(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1, uid="u1"))
    cache.observe("ADDED", _run(9, uid="u2", command="second"))
    assert not cache.observe("DELETED", _run(8, uid="u1"))
    assert _command(cache) == "second"
    assert cache.observe("DELETED", _run(10, uid="u2"))
    assert _command(cache) is None


def test_the_late_answer_to_a_write_does_not_bring_back_what_is_deleted(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1))
    assert cache.observe("DELETED", _run(6))
    cache.record(_run(5))
    assert _command(cache) is None
    assert cache.observe("ADDED", _run(7)), "as a pod that loses its labels, and gets them again"
    cache.record(_run(8, command="written"))
    assert _command(cache) == "written"


def test_a_list_removes_what_vanished_unseen_but_nothing_newer_than_itself(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1, name="r"))
    cache.observe("ADDED", _run(7, name="fresh", uid="u7"))
    cache.replace(Kind.RUN, [], "5")
    assert [run.metadata.name for run in cache.resources(Run)] == ["fresh"]


def test_pods_are_found_by_the_uid_of_their_run(cache: ClusterCache) -> None:
    cache.observe("ADDED", _pod(1, "u1"))
    cache.observe("ADDED", _pod(2, "u2", "q"))
    assert [pod["metadata"]["name"] for pod in cache.pods_of("u1")] == ["p"]
    cache.forget("Pod", "icefield-demo", "p", "other")
    assert cache.pods_of("u1")
    cache.forget("Pod", "icefield-demo", "p", "p")
    assert cache.pods_of("u1") == []


def test_a_quiet_watch_is_alive_as_long_as_lists_agree_with_it(cache: ClusterCache, clock: _Clock) -> None:
    cache.observe(None, _run(1))
    clock.now = 500
    cache.replace(Kind.RUN, [_run(1)], "9")
    clock.now = 510
    assert cache.watch_age(Kind.RUN) == 10


def test_a_watch_that_does_not_deliver_our_own_write_grows_old(cache: ClusterCache, clock: _Clock) -> None:
    cache.observe(None, _run(1))
    cache.record(_run(2))
    clock.now = 300
    cache.observe("ADDED", _run(3, name="other", uid="u9"))
    cache.replace(Kind.RUN, [_run(2), _run(3, name="other", uid="u9")], "3")
    assert cache.watch_age(Kind.RUN) == 300
    cache.observe("MODIFIED", _run(2))
    assert cache.watch_age(Kind.RUN) == 0


def test_a_watch_that_does_not_deliver_what_a_list_shows_grows_old(cache: ClusterCache, clock: _Clock) -> None:
    cache.replace(Kind.RUN, [], "1")
    cache.replace(Kind.RUN, [_run(2)], "2")
    clock.now = 60
    cache.replace(Kind.RUN, [_run(2)], "2")
    assert cache.watch_age(Kind.RUN) == 60
    cache.observe("DELETED", _run(4))
    assert cache.watch_age(Kind.RUN) == 0


def test_an_object_that_is_not_as_its_definition_says_is_left_out(cache: ClusterCache) -> None:
    cache.observe("ADDED", {**_run(1), "spec": {"command": 7, "tasks": "x"}})
    assert cache.resources(Run) == []
    assert cache.run("icefield-demo", "r") is None


def test_a_sandbox_that_a_run_claims_is_its_workspaces_no_more(cache: ClusterCache) -> None:
    warm = _pod(1, "w1")
    warm["metadata"]["ownerReferences"][0]["kind"] = "Workspace"
    cache.observe("ADDED", warm)
    assert [pod["metadata"]["name"] for pod in cache.pods_of("w1")] == ["p"]
    cache.record(_pod(2, "u1"))
    assert cache.pods_of("w1") == []
    assert [pod["metadata"]["name"] for pod in cache.pods_of("u1")] == ["p"]
    assert not cache.observe("MODIFIED", warm)
    assert cache.pods_of("w1") == []


def _ended(version: int, *, archived: bool, generation: int = 1, name: str = "r", uid: str = "u1") -> dict[str, Any]:
    run = _run(version, uid, name)
    attempt = {"attempt": 0, "podName": "p", "status": "success", "logsArchived": archived}
    return {
        **run,
        "metadata": {**run["metadata"], "generation": generation, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"command": "true", "jobRef": {"name": "etl"}},
        "status": {
            "phase": "success",
            "observedGeneration": 1,
            "tasks": [{"key": "main", "status": "success", "attempts": [attempt]}],
        },
    }


def test_no_managed_fields_are_kept(cache: ClusterCache) -> None:
    pod = _pod(1, "u1")
    cache.observe("ADDED", {**pod, "metadata": {**pod["metadata"], "managedFields": [{"manager": "kubelet"}]}})
    cache.observe("ADDED", _ended(2, archived=True))
    [kept] = cache.pods_of("u1")
    assert kept == pod
    run = cache.run("icefield-demo", "r")
    assert run
    assert run.status
    assert run.status.tasks[0].attempts[0].logs_archived


def test_the_model_of_an_ended_run_is_not_kept(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1))
    assert cache.run("icefield-demo", "r") is cache.run("icefield-demo", "r")
    cache.observe("MODIFIED", _ended(2, archived=False))
    assert cache.run("icefield-demo", "r") == cache.run("icefield-demo", "r")
    assert cache.run("icefield-demo", "r") is not cache.run("icefield-demo", "r")


def test_runs_are_counted_by_phase_and_found_by_what_replaces_them(cache: ClusterCache) -> None:
    phases = GroupCounts(phases_of)
    cache.add_index(Kind.RUN, phases)
    replaced = _run(1, name="live", uid="u0")
    replaced["metadata"]["annotations"] = {REPLACED_BY_ANNOTATION: "next"}
    cache.observe("ADDED", replaced)
    cache.observe("ADDED", _ended(2, archived=True))
    assert [phases.count(phase) for phase in (RunPhase.PENDING, RunPhase.SUCCESS, RunPhase.FAILED)] == [1, 1, 0]
    assert cache.unfinished_replaced_by("icefield-demo", "next") == ["live"]
    replaced["metadata"] = {**replaced["metadata"], "resourceVersion": "3"}
    cache.observe("MODIFIED", {**replaced, "status": {"phase": "cancelled"}})
    assert [phases.count(phase) for phase in (RunPhase.PENDING, RunPhase.SUCCESS, RunPhase.CANCELLED)] == [0, 1, 1]
    assert cache.unfinished_replaced_by("icefield-demo", "next") == []


@pytest.mark.parametrize(
    ("run", "pods", "expected"),
    [
        pytest.param(_run(1), [], True, id="not-ended"),
        pytest.param(_ended(1, archived=False), [], True, id="logs-not-archived"),
        pytest.param(_ended(1, archived=True, generation=2), [], True, id="spec-not-observed"),
        pytest.param(_ended(1, archived=True), [_pod(1, "u1")], True, id="has-pods"),
        pytest.param(_ended(1, archived=True), [], False, id="settled"),
    ],
)
def test_a_resync_leaves_out_runs_with_nothing_left_to_do(
    cache: ClusterCache, run: dict[str, Any], pods: list[dict[str, Any]], expected: bool
) -> None:
    for manifest in (run, *pods):
        cache.observe("ADDED", manifest)
    assert cache.names_to_resync(Kind.RUN) == ([("icefield-demo", "r")] if expected else [])


async def test_what_is_deleted_while_a_list_is_received_does_not_return(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1))
    cache.observe("ADDED", _pod(2, "u1"))

    async def pages_of(gone: str) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        yield [], "5"
        if gone == "watched":
            cache.observe("DELETED", _pod(6, "u1"))
        else:
            cache.forget("Pod", "icefield-demo", "p", "p")
        yield [_pod(2, "u1")], "5"  # as it was when the list was started

    for gone in ("watched", "written"):
        await cache.replace_by_pages(Kind.POD, pages_of(gone))
        assert cache.pods_of("u1") == []
        cache.observe("ADDED", _pod(7, "u1"))


def test_an_answer_that_comes_after_the_api_said_gone_does_not_bring_it_back(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1))
    cache.forget(Kind.RUN, "icefield-demo", "r", "u1")
    cache.record(_run(5))
    assert _command(cache) is None
    assert cache.watch_age(Kind.RUN) == 0, "its event is not awaited"
    cache.forget(Kind.RUN, "icefield-demo", "never-seen", "u2")
    cache.record(_run(6, uid="u2", name="never-seen"))
    assert cache.resources(Run) == []


def test_what_is_gone_by_name_only_may_be_followed_by_its_next_version(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(5))
    cache.forget(Kind.RUN, "icefield-demo", "r", None)
    assert not cache.observe("MODIFIED", _run(5))
    assert cache.observe("MODIFIED", _run(6, command="there"))
    assert _command(cache) == "there"


def test_the_late_deletion_of_a_namesake_does_not_answer_for_the_new_ones_event(
    cache: ClusterCache, clock: _Clock
) -> None:
    cache.observe("ADDED", _run(1, uid="u1"))
    cache.record(_run(9, uid="u2"))
    clock.now = 60
    cache.observe("DELETED", _run(8, uid="u1"))
    assert cache.watch_age(Kind.RUN) == 60


def test_a_list_that_the_watch_starts_over_with_leaves_newer_writes_awaited(cache: ClusterCache, clock: _Clock) -> None:
    cache.observe("ADDED", _run(1, name="gone", uid="u0"))
    cache.record(_run(4, name="listed", uid="u1"))
    cache.record(_run(9, name="newer", uid="u2"))
    clock.now = 60
    assert [gone["metadata"]["name"] for gone in cache.start_over(Kind.RUN, {"u1"}, 5)] == ["gone"]
    assert cache.watch_age(Kind.RUN) == 60
    cache.observe("ADDED", _run(9, name="newer", uid="u2"))
    assert cache.watch_age(Kind.RUN) == 0


async def test_a_list_that_fails_half_way_deletes_nothing(cache: ClusterCache) -> None:
    cache.observe("ADDED", _run(1))

    async def failing() -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        yield [_run(3, name="other", uid="u2")], "5"
        raise Gone(410, "the continue token has expired")

    with pytest.raises(Gone):
        await cache.replace_by_pages(Kind.RUN, failing())
    assert {run.metadata.name for run in cache.resources(Run)} == {"r", "other"}

"""Who gets a place: the oldest first, as many as the quota allows, whatever happens to those before them."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import pytest

from icefield_crds import Reason, Run, Workspace
from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_operator.cluster_cache import ClusterCache, Entry
from icefield_operator.run.admission import Admission, Admissions, is_told, stand

NAMESPACE = "icefield-demo"
_versions = count(1)


def _run(name: str, created: int = 0, phase: str = "pending", **changes: Any) -> dict[str, Any]:
    """Return a Run that was created so many seconds after ten."""
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{name}",
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": f"2026-03-01T10:{created // 60:02}:{created % 60:02}Z",
    }
    status = {"phase": phase, "conditions": changes.get("conditions", [])}
    spec = {"command": "true"} | changes.get("spec", {})
    return {"kind": "Run", "metadata": metadata | changes.get("metadata", {}), "spec": spec, "status": status}


def _pod(run: str, name: str | None = None) -> dict[str, Any]:
    owner = {"kind": "Run", "name": run, "uid": f"uid-{run}"}
    name = name or f"pod-of-{run}"
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "resourceVersion": str(next(_versions))}
    return {"kind": "Pod", "metadata": {**metadata, "ownerReferences": [owner]}, "spec": {}}


def _answer(status: str, reason: Reason) -> list[dict[str, Any]]:
    found = {"type": "Admitted", "status": status, "reason": reason.value, "message": ""}
    return [{**found, "lastTransitionTime": "2026-03-01T10:00:00Z"}]


OVER_QUOTA = _answer("False", Reason.QUOTA_EXCEEDED)
CANCELLED = {"desiredState": "cancelled"}


class Site:
    """A workspace with a quota, and its admissions."""

    def __init__(self, limit: int) -> None:
        self.cache = ClusterCache()
        self.admissions = Admissions(self.cache)
        self.set_limit(limit)

    def set_limit(self, limit: int) -> None:
        metadata = {"name": "demo", "uid": "uid-demo", "resourceVersion": str(next(_versions))}
        self.cache.observe(
            None, {"kind": "Workspace", "metadata": metadata, "spec": {"quotas": {"maxRunningRuns": limit}}}
        )

    def add(self, *runs: dict[str, Any]) -> None:
        for run in runs:
            self.cache.observe("ADDED", run)

    def admit(self, name: str) -> bool:
        """Ask for a place, as a pass over the run does."""
        run, workspace = self.cache.run(NAMESPACE, name), self.cache.workspace("demo")
        assert isinstance(run, Run)
        assert isinstance(workspace, Workspace)
        return self.admissions.admit(run, workspace).admitted

    def holders(self, *names: str) -> list[str]:
        runs = ((name, self.cache.run(NAMESPACE, name)) for name in names)
        return [name for name, run in runs if run and self.admissions.holds(run)]

    def next(self) -> list[str]:
        return [key.name for key in self.admissions.next_in_line(NAMESPACE)]


@pytest.mark.parametrize(
    ("changes", "is_admitted", "has_pods", "holds", "waits"),
    [
        pytest.param({}, False, False, False, True, id="new"),
        pytest.param(
            {"conditions": _answer("False", Reason.QUOTA_EXCEEDED)}, False, False, False, True, id="over quota"
        ),
        pytest.param(
            {"conditions": _answer("False", Reason.FLAVOR_NOT_FOUND)}, False, False, False, False, id="cannot start"
        ),
        pytest.param({"conditions": _answer("True", Reason.WITHIN_QUOTA)}, False, False, True, False, id="recorded"),
        pytest.param(
            {"conditions": _answer("False", Reason.POD_REFUSED)}, False, False, True, False, id="its pods are refused"
        ),
        pytest.param({}, True, False, True, False, id="admitted, not recorded yet"),
        pytest.param({}, False, True, True, False, id="has pods"),
        pytest.param(
            {"spec": {"desiredState": "cancelled"}}, False, False, False, False, id="cancelled while it waits"
        ),
        pytest.param(
            {"metadata": {"annotations": {REPLACED_BY_ANNOTATION: "r2"}}}, False, False, False, False, id="replaced"
        ),
        pytest.param({"spec": CANCELLED}, True, False, True, False, id="cancelled with a place"),
        pytest.param({"metadata": {"deletionTimestamp": "now"}}, False, False, False, False, id="deleted"),
        pytest.param({"metadata": {"deletionTimestamp": "now"}}, True, False, False, False, id="deleted with a place"),
        pytest.param({"metadata": {"deletionTimestamp": "now"}}, True, True, True, False, id="deleted, its pods end"),
    ],
)
def test_how_a_run_stands(changes: dict[str, Any], is_admitted: bool, has_pods: bool, holds: bool, waits: bool) -> None:
    entry = Entry(_run("r", **changes))
    assert entry.run
    found = stand(entry.run, entry.manifest, is_admitted=is_admitted, has_pods=has_pods)
    assert (found.holds, found.waits) == (holds, waits)


def test_the_oldest_get_the_places_and_the_name_decides_between_equals() -> None:
    site = Site(limit=2)
    site.add(_run("c", 5), _run("b", 5), _run("a", 9))
    assert not site.admit("a")
    assert site.next() == ["b", "c"]
    assert site.admit("c")
    assert site.next() == ["b"]
    assert site.admit("b")
    assert not site.admit("a")
    assert site.admit("b"), "it keeps its place"
    assert site.holders("a", "b", "c") == ["b", "c"]
    assert site.next() == []


def test_an_answer_names_the_quota_and_how_much_of_it_is_taken() -> None:
    site = Site(limit=1)
    site.add(_run("a"), _run("b", 1))
    assert site.admit("a")
    run, workspace = site.cache.run(NAMESPACE, "b"), site.cache.workspace("demo")
    assert run
    assert workspace
    assert site.admissions.admit(run, workspace) == (
        False,
        Reason.QUOTA_EXCEEDED,
        "waiting for its turn: max_running_runs=1, current=1",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="told"),
        pytest.param(
            {"message": "waiting for its turn: max_running_runs=1, current=0"}, False, id="with other numbers"
        ),
        pytest.param({"reason": Reason.FLAVOR_NOT_FOUND}, False, id="another reason"),
        pytest.param({"status": "True"}, False, id="admitted before"),
        pytest.param({"observedGeneration": 1}, False, id="of an older spec"),
    ],
)
def test_a_run_that_was_told_why_it_waits_is_not_told_again(changes: dict[str, Any], expected: bool) -> None:
    site = Site(limit=1)
    site.add(_run("a"), _run("b", 1))
    assert site.admit("a")
    told = {**OVER_QUOTA[0], "message": "waiting for its turn: max_running_runs=1, current=1", "observedGeneration": 2}
    site.add(_run("b", 1, conditions=[told | changes], metadata={"generation": 2}))
    run, workspace = site.cache.run(NAMESPACE, "b"), site.cache.workspace("demo")
    assert run
    assert workspace
    refusal = Admission(False, Reason.QUOTA_EXCEEDED, "waiting for its turn: max_running_runs=1, current=1")
    assert is_told(run, refusal) is expected
    site.add(_run("b", 1))
    assert site.admissions.refusal(run, workspace) == refusal
    site.add(_run("a", phase="success"))
    assert site.admissions.refusal(run, workspace) is None
    assert site.holders("b") == [], "nothing is taken yet"


@pytest.mark.parametrize("end", ["ended", "deleted", "vanished", "gone from a list"])
def test_a_place_is_free_again_once_its_run_is_no_more(end: str) -> None:
    site = Site(limit=1)
    site.add(_run("a"), _run("b", 1))
    assert site.admit("a")
    if end == "ended":
        site.cache.record(_run("a", phase="success"))
    elif end == "deleted":
        site.cache.observe("DELETED", _run("a"))
    elif end == "vanished":
        site.cache.forget("Run", NAMESPACE, "a", None)
    else:
        site.cache.replace("Run", [_run("b", 1)], str(next(_versions)))
    assert site.next() == ["b"]
    assert site.admit("b")


def test_a_run_that_was_made_again_under_the_same_name_has_no_place_of_the_first() -> None:
    site = Site(limit=1)
    site.add(_run("a"), _run("b", 1))
    assert site.admit("a")
    site.add(_run("a", 2, metadata={"uid": "uid-second"}))
    assert site.next() == ["b"]
    assert not site.admit("a")


def test_a_run_that_is_cancelled_while_it_waits_lets_others_pass() -> None:
    site = Site(limit=1)
    site.add(_run("a"), _run("b", 1), _run("c", 2))
    assert site.admit("a")
    site.add(_run("b", 1, spec=CANCELLED), _run("a", phase="failed"))
    assert site.next() == ["c"]
    assert site.admit("c")


def test_a_quota_that_changes_counts_at_once() -> None:
    site = Site(limit=1)
    site.add(*(_run(name, number) for number, name in enumerate("abcd")))
    assert site.admit("a")
    site.set_limit(3)
    assert site.next() == ["b", "c"]
    assert site.admit("b")
    assert site.admit("c")
    assert not site.admit("d")
    site.set_limit(1)
    assert site.next() == []
    assert site.holders("a", "b", "c", "d") == ["a", "b", "c"], "what runs is not taken its place"
    site.add(_run("a", phase="success"), _run("b", 1, phase="success"))
    assert not site.admit("d")
    site.add(_run("c", 2, phase="success"))
    assert site.admit("d")


def test_pods_that_a_process_before_made_keep_the_place_of_their_run() -> None:
    site = Site(limit=1)
    site.add(_run("a", 5), _run("b"), _pod("a"), _pod("a", "second"))
    assert site.holders("a", "b") == ["a"]
    assert not site.admit("b")
    site.cache.observe("DELETED", _pod("a"))
    assert site.holders("a") == ["a"]
    site.cache.forget("Pod", NAMESPACE, "second", None)
    assert site.holders("a") == []
    assert site.next() == ["b"]


def test_the_snapshot_of_a_start_counts_whatever_order_its_kinds_come_in() -> None:
    cache = ClusterCache()
    cache.observe(None, _pod("a"))
    cache.observe(None, _run("a"))
    admissions = Admissions(cache)
    cache.observe(None, _pod("b"))
    cache.observe(None, _run("b", conditions=OVER_QUOTA))
    runs = [cache.run(NAMESPACE, name) for name in "ab"]
    assert all(run and admissions.holds(run) for run in runs)


def test_there_are_never_more_than_the_quota_allows_nor_one_before_an_older_one() -> None:
    chance = random.Random(11)  # noqa: S311 - a test's own dice
    limit = 3
    site = Site(limit)
    held: set[str] = set()
    alive: dict[str, int] = {}
    for number in range(1500):
        name = f"r{chance.randrange(60)}"
        if name not in alive:
            alive[name] = number % 3600
            site.add(_run(name, alive[name], metadata={"uid": f"uid-{number}"}))
        elif name in held and chance.random() < 0.5:
            alive_since = alive.pop(name)
            held.discard(name)
            run = site.cache.run(NAMESPACE, name)
            assert run
            site.add(_run(name, alive_since, phase="success", metadata={"uid": run.metadata.uid}))
            site.cache.forget("Run", NAMESPACE, name, None)
        elif site.admit(name):
            held.add(name)
        waiting = sorted(set(alive) - held, key=lambda run: (alive[run], run))
        assert set(site.holders(*alive)) == held
        assert len(held) <= limit
        assert site.next() == waiting[: limit - len(held)]


def test_a_run_that_no_pass_can_read_stands_in_nobodys_way() -> None:
    """A newer version may have written it: what it asks for this one cannot tell."""
    site = Site(1)
    site.add(_run("odd", spec={"timeoutSeconds": "soon"}), _run("next", created=1))
    assert site.cache.run(NAMESPACE, "odd") is None
    assert [key.name for key in site.admissions.next_in_line(NAMESPACE)] == ["next"]
    assert site.admit("next")

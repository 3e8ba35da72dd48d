"""What is to be done about a pool, and which of its sandboxes a workload claims, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import Task, Workspace
from icefield_operator import pod_failures
from icefield_operator.sandbox import pool_plan
from icefield_operator.sandbox.build import TEMPLATE_ANNOTATION
from icefield_operator.sandbox.dispatcher import accepts_workload
from icefield_operator.sandbox.pool_plan import SandboxState

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
THEN = "2026-01-01T11:00:00Z"
LATER = NOW + timedelta(seconds=5)


def _pod(kind: str, number: int) -> dict[str, Any]:
    """A sandbox: r(eady), s(tarting), f(ailed), p(ull fails for long), w(ill be given up), o(utdated), l(eaving)."""
    ready = {"type": "Ready", "status": "True" if kind in "rol" else "False", "lastTransitionTime": THEN}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": THEN if kind == "p" else _seconds(-10)}
    status: dict[str, Any] = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [ready, scheduled]}
    if kind == "f":
        status["phase"] = "Failed"
    if kind in "pw":
        waits = {"name": "task", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
        status |= {"phase": "Pending", "containerStatuses": [waits]}
    metadata: dict[str, Any] = {
        "name": f"{kind}{number}",
        "creationTimestamp": _seconds(number),
        "annotations": {TEMPLATE_ANNOTATION: "old" if kind == "o" else "now"},
    }
    if kind == "l":
        metadata["deletionTimestamp"] = THEN
    return {"metadata": metadata, "spec": {"containers": [{"name": "task", "image": "x"}]}, "status": status}


def _seconds(number: float) -> str:
    return (NOW + timedelta(seconds=number)).isoformat()


@pytest.mark.parametrize(
    ("kinds", "size", "hold", "make", "delete", "next_pass"),
    [
        ("", 0, None, 0, "", None),
        ("", 3, None, 3, "", None),
        ("rs", 3, None, 1, "", None),
        ("rrr", 3, None, 0, "", None),
        ("rrr", 1, None, 0, "r1 r2", None),
        ("srs", 1, None, 0, "s0 s2", None),
        ("rr", 0, None, 0, "r0 r1", None),
        ("rl", 2, None, 1, "", None),
        ("ro", 2, None, 1, "o1", None),
        ("rf", 2, None, 1, "f1", None),
        ("rp", 2, None, 1, "p1", None),
        ("rw", 2, None, 0, "", NOW - timedelta(seconds=10) + pod_failures.START_TIMEOUT),
        ("r", 2, LATER, 0, "", LATER),
        ("rr", 2, LATER, 0, "", None),
        ("r", 2, NOW, 1, "", None),
    ],
)
def test_what_is_done(
    kinds: str, size: int, hold: datetime | None, make: int, delete: str, next_pass: datetime | None
) -> None:
    pods = [_pod(kind, number) for number, kind in enumerate(kinds)]
    plan = pool_plan.decide(pods, size, "now", NOW, hold)
    assert plan.create == make
    assert [pod["metadata"]["name"] for pod in plan.delete] == delete.split()
    assert plan.failed == any(kind in "fp" for kind in kinds)
    assert plan.next_pass == next_pass


@pytest.mark.parametrize(
    ("spec", "minutes_ago", "deleted", "wanted"),
    [
        ({}, None, False, 0),
        ({}, 0, False, 2),
        ({}, 14, False, 2),
        ({}, 15, False, 0),
        ({"size": 5, "idleMinutes": 60}, 59, False, 5),
        ({"size": 0}, 0, False, 0),
        ({}, 0, True, 0),
    ],
)
def test_how_many_are_wanted(spec: dict[str, int], minutes_ago: int | None, deleted: bool, wanted: int) -> None:
    metadata = {"name": "demo", **({"deletionTimestamp": THEN} if deleted else {})}
    workspace = Workspace.model_validate({"metadata": metadata, "spec": {"sandboxes": {"warmPool": spec}}})
    last_use = None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago)
    size, until = pool_plan.wanted(workspace, last_use, NOW)
    assert size == wanted
    assert (until is not None) == (size > 0)
    if until is not None:
        assert pool_plan.wanted(workspace, last_use, until)[0] == 0


def test_broken_ones_are_replaced_ever_later() -> None:
    assert [pool_plan.backoff(failures).total_seconds() for failures in (1, 2, 3, 7, 50)] == [5, 10, 20, 300, 300]


def _starting(
    number: int = 0, *, scheduled: float | None = 1, started: float | None = None, **container: Any
) -> dict[str, Any]:
    """A sandbox that is not ready, scheduled and started so many seconds ago."""
    pod = _pod("s", number)
    conditions = []
    if scheduled is not None:
        conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": _seconds(-scheduled)}]
    state = {"running": {"startedAt": _seconds(-started)}} if started is not None else {}
    pod["status"] = {
        "phase": "Pending" if started is None else "Running",
        "conditions": conditions,
        "containerStatuses": [{"name": "task", "state": state, **container}],
    }
    return pod


PULLS = {"state": {"waiting": {"reason": "ErrImagePull"}}}


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (_starting(scheduled=None), SandboxState.DELAYED),
        (_starting(), SandboxState.STARTING),
        (_starting(scheduled=14), SandboxState.STARTING),
        (_starting(scheduled=15), SandboxState.DELAYED),
        (_starting(**PULLS), SandboxState.DELAYED),
        # Its image took long, and it has that now.
        (_starting(scheduled=90, started=1), SandboxState.STARTING),
        # It was ready once: its node does not respond, or it hangs.
        (_starting(scheduled=90, started=80), SandboxState.DELAYED),
        (_pod("o", 0), SandboxState.OUTDATED),
        (_pod("r", 0), SandboxState.READY),
    ],
)
def test_which_sandbox_is_about_to_be_ready(pod: dict[str, Any], state: SandboxState) -> None:
    assert pool_plan.state_of(pod, "now", NOW) is state


BOTH = (SandboxState.READY, SandboxState.STARTING)


@pytest.mark.parametrize(
    ("limit", "attempt", "may_be_dispatched", "states"),
    [
        (None, 0, False, BOTH),
        (1, 0, False, BOTH),
        (0, 0, False, BOTH[:1]),
        (None, 1, False, BOTH[:1]),
        (None, 0, True, BOTH[:1]),
    ],
)
def test_only_who_may_be_disrupted_waits_for_a_sandbox_that_starts(
    limit: int | None, attempt: int, may_be_dispatched: bool, states: tuple[SandboxState, ...]
) -> None:
    task = Task(key="main", command="polars", max_disruption_retries=limit)
    assert pool_plan.claimable_states(task, attempt, may_be_dispatched=may_be_dispatched) == states


@pytest.mark.parametrize(("states", "chosen"), [(BOTH, "r1 r3 s0 s5"), (BOTH[:1], "r1 r3")])
def test_ready_sandboxes_are_claimed_first_and_of_equals_the_oldest(
    states: tuple[SandboxState, ...], chosen: str
) -> None:
    pods = [_starting(5), _pod("r", 3), _pod("o", 2), _pod("r", 1), _starting(0), _starting(6, scheduled=None)]
    found = pool_plan.candidates(pods, pool_plan.Demand("now", states), NOW)
    assert [pod["metadata"]["name"] for pod in found] == chosen.split()


def test_sandboxes_that_are_delayed_count_and_are_surplus_first() -> None:
    pods = [_starting(0, scheduled=None), _starting(1), _pod("r", 2)]
    assert pool_plan.decide(pods, 3, "now", NOW, None).create == 0
    assert [pod["metadata"]["name"] for pod in pool_plan.decide(pods, 2, "now", NOW, None).delete] == ["s0"]


@pytest.mark.parametrize(
    ("pod", "accepts"),
    [
        (_starting(), False),
        (_starting(started=0), True),
        ({**_starting(), "metadata": {"name": "own"}}, True),
    ],
    ids=["may be given up", "was started", "of its own"],
)
def test_a_sandbox_that_may_be_given_up_is_sent_nothing(pod: dict[str, Any], accepts: bool) -> None:
    pod["status"]["podIP"] = "10.0.0.1"
    assert accepts_workload(pod) is accepts
    assert not accepts_workload({**pod, "status": {**pod["status"], "podIP": ""}})

"""Which pod of a warehouse serves, which drain, and which are created and deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import Warehouse, format_time
from icefield_crds.wire.gateway import GatewayStatus
from icefield_operator.warehouse import pod_plan, pods
from icefield_operator.warehouse.build import HASH_ANNOTATION

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
UP: dict[str, Any] = {"state": {"running": {}}, "ready": True}
STARTED: dict[str, Any] = {"state": {"running": {}}, "ready": False}
WAITS: dict[str, Any] = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "ready": False}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
LOST = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
NOT_READY = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}]


def ago(**before: float) -> str:
    return format_time(NOW - timedelta(**before))


def pod(name: str, spec: str = "new", gateway: dict[str, Any] = UP, **found: Any) -> pods.ObservedPod:
    """What is observed of a pod that was made for this spec, ten minutes ago unless said otherwise."""
    metadata = {"name": name, "creationTimestamp": ago(minutes=10), "annotations": {HASH_ANNOTATION: spec}}
    metadata |= {key: found.pop(key) for key in ("creationTimestamp", "deletionTimestamp") if key in found}
    status = {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [{"name": "gateway", **gateway}], **found}
    manifest = {"metadata": metadata, "spec": {"nodeName": "n", "containers": []}, "status": status}
    return pods.observe(manifest, NOW)


def answer(running: int = 0, **quiet: float) -> GatewayStatus:
    """What a gateway reports whose last statement ended so long ago."""
    return GatewayStatus(spark=True, running=running, last_activity=NOW - timedelta(**(quiet or {"hours": 1})))


def warehouse(auto_stop: str = "30m", **draining: datetime) -> Warehouse:
    """A warehouse whose status says since when these pods drain."""
    recorded = [{"podName": name, "startTime": format_time(since)} for name, since in draining.items()]
    metadata = {"name": "w", "namespace": "icefield-demo"}
    return Warehouse.model_validate(
        {"metadata": metadata, "spec": {"autoStop": auto_stop}, "status": {"drainingPods": recorded}}
    )


FULL = pod(
    "b", gateway={"state": {}}, phase="Pending", conditions=[UNSCHEDULABLE | {"lastTransitionTime": ago(minutes=2)}]
)
FULL_NOW = pod(
    "b", gateway={"state": {}}, phase="Pending", conditions=[UNSCHEDULABLE | {"lastTransitionTime": ago(seconds=1)}]
)
SINCE_5 = NOW - timedelta(minutes=5)

# name: (pods, what gateways report, warehouse, (serving, successor, draining, deleted, whether one is created))
CASES: dict[str, tuple[list[pods.ObservedPod], dict[str, Any], Warehouse, tuple[Any, ...]]] = {
    "nothing yet": ([], {}, warehouse(), (None, None, [], [], True)),
    "it starts": ([pod("a", gateway=STARTED)], {}, warehouse(), ("a", None, [], [], False)),
    "it serves": ([pod("a")], {"a": answer(3)}, warehouse(), ("a", None, [], [], False)),
    "another spec": ([pod("a", "old")], {"a": answer(3)}, warehouse(), ("a", None, [], [], True)),
    "the new one starts": (
        [pod("a", "old"), pod("b", gateway=STARTED)], {"a": answer(3)}, warehouse(), ("a", "b", [], [], False),
    ),
    "the new one cannot start": (
        [pod("a", "old"), pod("b", gateway=WAITS)], {"a": answer(3)}, warehouse(), ("a", "b", [], [], False),
    ),
    "the new one is ready": (
        [pod("a", "old"), pod("b")], {"a": answer(3), "b": answer()}, warehouse(), ("b", None, ["a"], [], False),
    ),
    "the old one is never deleted before it was told": (
        [pod("a", "old"), pod("b")], {"a": answer(), "b": answer()}, warehouse(), ("b", None, ["a"], [], False),
    ),
    "the old one runs statements": (
        [pod("a", "old"), pod("b")], {"a": answer(1)}, warehouse(a=SINCE_5), ("b", None, ["a"], [], False),
    ),
    "its last statement has just ended": (
        [pod("a", "old"), pod("b")], {"a": answer(seconds=5)}, warehouse(a=SINCE_5), ("b", None, ["a"], [], False),
    ),
    "its last statement has ended": (
        [pod("a", "old"), pod("b")], {"a": answer(minutes=1)}, warehouse(a=SINCE_5), ("b", None, [], ["a"], False),
    ),
    "it does not answer": (
        [pod("a", "old"), pod("b")], {"a": None}, warehouse(a=SINCE_5), ("b", None, ["a"], [], False),
    ),
    "it drains for as long as autoStop says": (
        [pod("a", "old"), pod("b")], {"a": answer(1)}, warehouse("5m", a=SINCE_5), ("b", None, [], ["a"], False),
    ),
    "without autoStop it drains for 12 hours": (
        [pod("a", "old"), pod("b")], {"a": answer(1)}, warehouse("never", a=NOW - timedelta(hours=11)),
        ("b", None, ["a"], [], False),
    ),
    "without autoStop no longer": (
        [pod("a", "old"), pod("b")], {"a": answer(1)}, warehouse("never", a=NOW - timedelta(hours=12)),
        ("b", None, [], ["a"], False),
    ),
    "its gateway crashed, and its statements with it": (
        [pod("a", "old", WAITS), pod("b")], {}, warehouse(a=SINCE_5), ("b", None, [], ["a"], False),
    ),
    "an outdated pod that never started": (
        [pod("a", "old", WAITS), pod("b", gateway=STARTED)], {}, warehouse(), ("b", None, [], ["a"], False),
    ),
    "back to the old spec while it drains": (
        [pod("a", "new"), pod("b", "old")], {"a": answer(1)}, warehouse(a=SINCE_5), ("b", None, ["a"], [], True),
    ),
    "back to the old spec before the other was ready": (
        [pod("a", "new"), pod("b", "old", WAITS)], {"a": answer(1)}, warehouse(), ("a", None, [], ["b"], False),
    ),
    "no node has room, for now": (
        [pod("a", "old"), FULL_NOW], {"a": answer(1)}, warehouse(), ("a", "b", [], [], False),
    ),
    "no node has room for both": (
        [pod("a", "old"), FULL], {"a": answer(1)}, warehouse(), ("b", None, ["a"], [], False),
    ),
    "two of the same spec": (
        [pod("a"), pod("b", creationTimestamp=ago(minutes=1))], {}, warehouse(), ("b", None, ["a"], [], False),
    ),
    "being deleted": (
        [pod("a", deletionTimestamp=format_time(NOW))], {}, warehouse(), (None, None, [], [], True),
    ),
    "evicted": ([pod("a", phase="Failed", reason="Evicted")], {}, warehouse(), (None, None, [], ["a"], True)),
    "evicted at once": (
        [pod("a", phase="Failed", reason="Evicted", creationTimestamp=ago(seconds=5))], {}, warehouse(),
        ("a", None, [], [], False),
    ),
    "its node is lost": ([pod("a", conditions=LOST)], {"a": None}, warehouse(), (None, None, [], ["a"], True)),
    "its node is lost, and its statements go on": (
        [pod("a", conditions=LOST)], {"a": answer(1)}, warehouse(), (None, None, ["a"], [], True),
    ),
    "not ready for a moment": (
        [pod("a", gateway=STARTED, conditions=NOT_READY)], {}, warehouse(), ("a", None, [], [], False),
    ),
}  # fmt: skip


def outcome(plan: pod_plan.PodPlan) -> tuple[Any, ...]:
    serving, successor = (each.name if each else None for each in (plan.serving, plan.successor))
    draining, deleted = [each.pod.name for each in plan.draining], [each.name for each in plan.delete]
    return serving, successor, draining, deleted, plan.create


@pytest.mark.parametrize("name", CASES)
def test_the_plan(name: str) -> None:
    found, answers, subject, expected = CASES[name]
    assert outcome(pod_plan.make_plan(subject, found, "new", answers, NOW)) == expected


def test_without_a_known_spec_nothing_is_replaced() -> None:
    plan = pod_plan.make_plan(warehouse(), [pod("a", "old")], None, {"a": answer()}, NOW)
    assert outcome(plan) == ("a", None, [], [], False)
    assert outcome(pod_plan.make_plan(warehouse(), [], None, {}, NOW)) == (None, None, [], [], False)


def test_where_the_quota_has_no_room_the_old_pod_drains_first() -> None:
    plan = pod_plan.make_plan(warehouse(), [pod("a", "old")], "new", {"a": answer(1)}, NOW, has_room=False)
    assert outcome(plan) == (None, None, ["a"], [], True)


@pytest.mark.parametrize(
    ("deleted", "is_stuck"), [({"seconds": -10}, False), ({"seconds": 10}, False), ({"seconds": 31}, True)]
)
def test_a_pod_is_stuck_when_its_grace_period_is_long_over(deleted: dict[str, float], is_stuck: bool) -> None:
    """metadata.deletionTimestamp is the end of the grace period."""
    assert pod("a", deletionTimestamp=ago(**deleted)).is_stuck is is_stuck

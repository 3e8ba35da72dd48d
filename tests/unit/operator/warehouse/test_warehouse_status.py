"""From what a pod and its gateway show to the status of the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import ConditionType, Reason, Warehouse, WarehouseStatus, format_time
from icefield_crds.warehouse import WAKE_ANNOTATION
from icefield_crds.wire.gateway import GatewayStatus
from icefield_operator.problem import Problem
from icefield_operator.warehouse import pods, status
from icefield_operator.warehouse.desired_state import TargetState
from icefield_operator.warehouse.pod_plan import Draining
from icefield_operator.warehouse.status import Observed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=10)
RUN = TargetState(run=True, reason=Reason.AS_WANTED, stop_time=None)
STOP = TargetState(run=False, reason=Reason.STOPPED, stop_time=NOW)
IDLE = TargetState(run=False, reason=Reason.IDLE, stop_time=NOW)

UP: dict[str, Any] = {"state": {"running": {}}, "ready": True, "restartCount": 0}
STARTED: dict[str, Any] = {"state": {"running": {}}, "ready": False, "restartCount": 0}
OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
CRASHED = {"terminated": {"reason": "Error", "exitCode": 1, "message": "Traceback:\nValueError: no catalog\n"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": format_time(NOW - timedelta(minutes=1))}
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "message": "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available",
}
FULL = "waiting for room in the cluster: 0/1 nodes are available: 1 Insufficient memory."


def pod(
    gateway: dict[str, Any] | None = None,
    spark: dict[str, Any] | None = UP,
    *,
    name: str = "w-warehouse",
    leaving: bool = False,
    since: datetime = NOW,
    **found: Any,
) -> pods.ObservedPod:
    """What is seen of a pod whose containers have these states."""
    limits = {"limits": {"memory": str(1024 * 2**20)}}
    metadata = {"name": name, "creationTimestamp": format_time(NOW - timedelta(minutes=1))}
    if leaving:
        metadata["deletionTimestamp"] = format_time(since)
    return pods.observe(
        {
            "metadata": metadata,
            "spec": {
                "nodeName": "n1",
                "initContainers": [{"name": "spark", "image": "wh:1", "resources": limits}],
                "containers": [{"name": "gateway", "image": "wh:1", "resources": limits}],
            },
            "status": {
                "phase": "Pending" if gateway is None else "Running",
                "podIP": "10.0.0.7",
                "conditions": [SCHEDULED],
                "containerStatuses": [{"name": "gateway", **gateway}] if gateway else [],
                "initContainerStatuses": [{"name": "spark", **spark}] if spark else [],
                **found,
            },
        },
        NOW,
    )


def answer(*, spark: bool = True) -> GatewayStatus:
    return GatewayStatus(spark=spark, running=0, last_activity=EARLIER)


def warehouse(before: dict[str, Any] | None = None, **annotations: str) -> Warehouse:
    metadata = {"name": "w", "namespace": "icefield-demo", "generation": 3, "annotations": annotations}
    return Warehouse.model_validate({"metadata": metadata, "spec": {"autoStop": "30m"}, "status": before})


def judge(
    want: TargetState = RUN,
    seen: pods.ObservedPod | None = None,
    reported: GatewayStatus | None = None,
    problem: Problem | None = None,
    before: dict[str, Any] | None = None,
) -> WarehouseStatus:
    return status.of(warehouse(before), want, Observed(seen, reported), problem, NOW)


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, "ready": False, "restartCount": 0}


NO_FLAVOR = Problem(Reason.FLAVOR_NOT_FOUND, "flavor huge does not exist", stalled=True)
REFUSED = Problem(Reason.PENDING, "its pod cannot be created yet: exceeded quota", stalled=False)
EVICTED: dict[str, Any] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}

# name: (judged, phase, the true condition, its reason, error)
CASES: dict[str, tuple[WarehouseStatus, str, str, str, str | None]] = {
    "nothing yet": (judge(), "starting", "Reconciling", "Starting", None),
    "no such flavor": (judge(problem=NO_FLAVOR), "error", "Stalled", "FlavorNotFound", NO_FLAVOR.message),
    "refused for now": (judge(problem=REFUSED), "starting", "Reconciling", "Pending", REFUSED.message),
    "no room": (
        judge(seen=pod(None, None, conditions=[UNSCHEDULABLE])), "starting", "Reconciling", "Starting", FULL,
    ),
    "started, not ready": (judge(seen=pod(STARTED)), "starting", "Reconciling", "Starting", None),
    "reads are served": (judge(seen=pod(UP), reported=answer(spark=False)), "running", "Ready", "Running", None),
    "all is served": (judge(seen=pod(UP), reported=answer()), "running", "Ready", "Running", None),
    "the gateway does not answer": (judge(seen=pod(UP)), "running", "Ready", "Running", None),
    "pulling fails": (
        judge(seen=pod(None, waiting("ImagePullBackOff", 'Back-off pulling image "wh:1": not found'))),
        "starting", "Reconciling", "Starting", "image wh:1 cannot be pulled: not found",
    ),
    "pulling cannot succeed": (
        judge(seen=pod(None, waiting("InvalidImageName"))),
        "error", "Stalled", "PodFailed", '"wh:1" is not a valid image name',
    ),
    "pulling failed for too long": (
        judge(
            seen=pod(
                None,
                waiting("ErrImagePull", "not found"),
                conditions=[SCHEDULED | {"lastTransitionTime": format_time(NOW - timedelta(minutes=5))}],
            )
        ),
        "error", "Stalled", "PodFailed", "image wh:1 cannot be pulled: not found",
    ),
    "no Secret yet": (
        judge(seen=pod(None, waiting("CreateContainerConfigError", 'secret "icefield-catalog" not found'))),
        "starting", "Reconciling", "Starting", 'the container cannot be started: secret "icefield-catalog" not found',
    ),
    "the gateway ran out of memory": (
        judge(seen=pod(STARTED | {"lastState": OOM})),
        "starting", "Reconciling", "Starting", "its gateway ran out of memory (limit 1024Mi) and is restarted",
    ),
    "the gateway ran out of memory, and is back": (
        judge(seen=pod(UP | {"lastState": OOM}), reported=answer()), "running", "Ready", "Running", None,
    ),
    "the gateway crashed": (
        judge(seen=pod(STARTED | {"state": BACK_OFF, "lastState": CRASHED, "restartCount": 1})),
        "starting", "Reconciling", "Starting",
        "its gateway failed with exit code 1 and is restarted: ValueError: no catalog",
    ),
    "the gateway keeps crashing": (
        judge(seen=pod(STARTED | {"state": BACK_OFF, "lastState": CRASHED, "restartCount": 3})),
        "error", "Stalled", "PodFailed",
        "its gateway failed with exit code 1 and is restarted: ValueError: no catalog",
    ),
    "Spark keeps crashing": (
        judge(seen=pod(UP, STARTED | {"state": BACK_OFF, "lastState": OOM, "restartCount": 9}), reported=answer()),
        "running", "Ready", "Running",
        "statements that write have to wait: Spark ran out of memory (limit 1024Mi) and is restarted",
    ),
    "evicted": (
        judge(seen=pod(UP, **EVICTED)), "starting", "Reconciling", "Starting",
        "the pod was ended by the cluster (Evicted): The node was low on resource: memory.; it is re-created",
    ),
    "being replaced": (judge(seen=pod(UP, leaving=True)), "starting", "Reconciling", "Starting", None),
    "its flavor went": (
        judge(seen=pod(UP), reported=answer(), problem=NO_FLAVOR),
        "running", "Stalled", "FlavorNotFound", NO_FLAVOR.message,
    ),
    "to be stopped": (judge(STOP, pod(UP)), "stopping", "Reconciling", "Stopped", None),
    "stopping": (judge(STOP, pod(UP, leaving=True)), "stopping", "Reconciling", "Stopped", None),
    "stopped": (judge(STOP), "stopped", "Ready", "Stopped", None),
    "idle": (judge(IDLE), "stopped", "Ready", "Idle", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_status(name: str) -> None:
    found, phase, condition, reason, error = CASES[name]
    assert found.phase == phase
    assert [c.type for c in found.conditions if c.status == "True"] == [condition], "exactly one is true"
    assert {c.reason for c in found.conditions} == {reason}
    assert found.error == error
    assert found.observed_generation == 3


@pytest.mark.parametrize(
    ("name", "endpoint", "spark"),
    [
        ("started, not ready", None, False),
        ("reads are served", "http://10.0.0.7:8080", False),
        ("all is served", "http://10.0.0.7:8080", True),
        ("Spark keeps crashing", "http://10.0.0.7:8080", False),
        ("stopping", "http://10.0.0.7:8080", False),
        ("stopped", None, False),
        ("evicted", None, False),
    ],
)
def test_what_can_be_reached(name: str, endpoint: str | None, spark: bool) -> None:
    assert CASES[name][0].endpoint == endpoint
    assert CASES[name][0].spark_ready is spark


def test_an_address_of_ip_6() -> None:
    assert judge(seen=pod(UP, podIP="fd00::7")).endpoint == "http://[fd00::7]:8080"


def test_a_gateway_that_does_not_answer_changes_nothing_of_spark() -> None:
    assert judge(seen=pod(UP), before={"phase": "running", "sparkReady": True}).spark_ready
    assert not judge(seen=pod(UP, STARTED | {"state": CRASHED}), before={"sparkReady": True}).spark_ready


def test_times() -> None:
    running = judge(seen=pod(UP), reported=answer())
    assert (running.start_time, running.last_activity_time, running.stop_time) == (NOW, EARLIER, None)
    before = {"phase": "running", "startTime": format_time(EARLIER), "lastActivityTime": format_time(EARLIER)}
    assert judge(seen=pod(UP), before=before).start_time == EARLIER
    stopped = judge(STOP, before=before)
    assert (stopped.start_time, stopped.last_activity_time, stopped.stop_time) == (EARLIER, EARLIER, NOW)


def test_the_wake_that_was_acted_on() -> None:
    woken = warehouse(None, **{WAKE_ANNOTATION: format_time(EARLIER)})
    assert status.of(woken, RUN, Observed(None, None), None, NOW).wake_time == EARLIER
    kept = warehouse({"wakeTime": format_time(EARLIER)})
    assert status.of(kept, STOP, Observed(None, None), None, NOW).wake_time == EARLIER


def test_conditions_keep_their_transition_time() -> None:
    first = judge(IDLE)
    again = status.of(warehouse(first.to_api()), IDLE, Observed(None, None), None, NOW + timedelta(hours=1))
    assert again.condition(ConditionType.READY) == first.condition(ConditionType.READY)


def draining(seen: pods.ObservedPod, running: int | None = None) -> Draining:
    return Draining(seen, EARLIER, running)


LOST = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
NEW = pod(None, None, name="new")
OLD = pod(UP, name="old")
STUCK = pod(UP, name="old", leaving=True, since=EARLIER)
ON_A_LOST_NODE = pod(UP, name="old", conditions=LOST)

# name: (what is wanted, observed, problem, (phase, the true condition, its reason, message))
OLD_PODS: dict[str, tuple[TargetState, Observed, Problem | None, tuple[str, str, str, str]]] = {
    "replaced": (
        RUN, Observed(OLD, answer(), NEW), None,
        ("running", "Reconciling", "Replacing",
         "its new pod is starting, and the present one serves until then: reads and writes are served"),
    ),
    "the new pod waits": (
        RUN, Observed(OLD, answer(), pod(None, None, conditions=[UNSCHEDULABLE])), None,
        ("running", "Reconciling", "Replacing",
         f"its new pod does not start yet: {FULL}; the present one serves until it does"),
    ),
    "the new pod cannot start": (
        RUN, Observed(OLD, answer(), pod(None, waiting("InvalidImageName"))), None,
        ("running", "Stalled", "Replacing",
         'its new pod does not start yet: "wh:1" is not a valid image name; the present one serves until it does'),
    ),
    "the old pod drains": (
        RUN, Observed(pod(UP), answer(), draining=(draining(OLD, 2),)), None,
        ("running", "Ready", "Running",
         "reads and writes are served; 2 statements still run on a pod that was replaced"),
    ),
    "the old pod drains first": (
        RUN, Observed(NEW, None, draining=(draining(OLD, 1),)), None,
        ("starting", "Reconciling", "Starting",
         "there is no room for two pods at once: the new one starts when the statements on the old one have ended; "
         "1 statement still runs on a pod that was replaced"),
    ),
    "its node is lost": (
        RUN, Observed(NEW, None, draining=(draining(ON_A_LOST_NODE),)), None,
        ("starting", "Reconciling", "Starting", "node n1 does not respond; a new pod is started"),
    ),
    "the old pod cannot be ended": (
        RUN, Observed(pod(UP), answer(), deleting=(draining(STUCK),)), None,
        ("running", "Ready", "Running",
         "reads and writes are served; pod old cannot be ended: node n1 has not ended it in time; "
         "Kubernetes removes it with its node"),
    ),
    "stopped, and the old pod cannot be ended": (
        STOP, Observed(None, None, deleting=(draining(STUCK),)), None,
        ("stopped", "Ready", "Stopped",
         "not wanted running; the next statement starts it; pod old cannot be ended: node n1 has not ended it in time; "
         "Kubernetes removes it with its node"),
    ),
    "stopping": (
        STOP, Observed(pod(UP, leaving=True), None, deleting=(draining(pod(UP, leaving=True)),)), None,
        ("stopping", "Reconciling", "Stopped", "not wanted running; running statements may end first"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OLD_PODS)
def test_the_status_beside_old_pods(name: str) -> None:
    want, observed, problem, expected = OLD_PODS[name]
    found = status.of(warehouse(), want, observed, problem, NOW)
    (true,) = (each for each in found.conditions if each.status == "True")
    assert (found.phase, true.type, true.reason, true.message) == expected


def test_where_statements_are_found() -> None:
    leaving = draining(pod(UP, leaving=True, name="older"))
    observed = Observed(pod(UP), answer(), draining=(draining(OLD, 1),), deleting=(leaving, draining(STUCK)))
    found = status.of(warehouse(), RUN, observed, None, NOW)
    assert found.pod_name == "w-warehouse"
    assert [each.pod_name for each in found.draining_pods] == ["old", "older"], "one that is stuck answers nobody"
    assert {each.start_time for each in found.draining_pods} == {EARLIER}
    known = warehouse(found.to_api())
    assert known.endpoints == ("http://10.0.0.7:8080",) * 3

"""From pods to the status of attempts, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from icefield_crds import AttemptStatus, Run, TaskPhase, labels
from icefield_crds.names import API_VERSION
from icefield_operator import pod_failures
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.run import pods
from icefield_operator.run.attempt_end import ObservationContext
from icefield_operator.run.dag import Stop
from icefield_operator.run.run_pods import OUTLIVES_TASK, RunPods

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OBSERVER = pods.PodObserver()
NEVER = "1970-01-01T00:00:00Z"
STARTED, ENDED = "2026-01-01T11:00:00Z", "2026-01-01T11:00:09Z"


def _pod(status: dict[str, Any], deadline: int | None = None, **metadata: Any) -> dict[str, Any]:
    container = {"name": "task", "image": "acme/tool:1", "resources": {"limits": {"memory": "512Mi"}}}
    return {
        "metadata": {
            "name": "p",
            "uid": "u",
            "creationTimestamp": "2026-01-01T11:58:00Z",
            "labels": labels.of_task_pod("demo", "w", "run", "main", 0),
            **metadata,
        },
        "spec": {
            "containers": [container],
            "nodeName": "n1",
            "terminationGracePeriodSeconds": 10,
            **({"activeDeadlineSeconds": deadline} if deadline else {}),
        },
        "status": status,
    }


def _ended(phase: str, code: int, **more: Any) -> dict[str, Any]:
    terminated = {"exitCode": code, "startedAt": STARTED, "finishedAt": ENDED, **more.pop("terminated", {})}
    container = {"name": "task", "state": {"terminated": terminated}}
    return {"phase": phase, "startTime": STARTED, "containerStatuses": [container], **more}


def _waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "task", "state": state}]}


def _running_still(code: int, *, seconds: float, **terminated: Any) -> dict[str, Any]:
    """A pod that something beside the task keeps running, so many seconds after the task has ended."""
    finished = NOW - timedelta(seconds=seconds)
    state = {"finishedAt": finished.isoformat(), "startedAt": (finished - timedelta(seconds=9)).isoformat()}
    started = (finished - timedelta(seconds=9)).isoformat()
    return _ended("Running", code, terminated={**state, **terminated}) | {"startTime": started}


NEVER_RAN = {"terminated": {"startedAt": None, "finishedAt": None, "reason": "ContainerStatusUnknown"}}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available",
        }
    ],
}
PULL = "image acme/tool:1 cannot be pulled"
GIVEN_UP = "; given up after 5 min"

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str | None]] = [
    ("new", {}, {}, "pending", None),
    ("creating", _waiting("ContainerCreating"), {}, "pending", None),
    (
        "running",
        {"phase": "Running", "containerStatuses": [{"name": "task", "state": {"running": {"startedAt": STARTED}}}]},
        {},
        "running",
        None,
    ),
    ("succeeded", _ended("Succeeded", 0), {}, "success", None),
    ("process ended, phase behind", _ended("Running", 0), {}, "success", None),
    ("process failed a moment ago, phase behind", _running_still(3, seconds=1), {}, "running", None),
    ("killed a moment ago, phase behind", _running_still(143, seconds=9), {}, "running", None),
    ("ended by the deadline, phase behind", _running_still(0, seconds=1), {"deadline": 9}, "running", None),
    ("failed beside a sidecar", _running_still(3, seconds=4), {}, "failed", "the command failed with exit code 3"),
    (
        "killed beside a sidecar",
        _running_still(137, seconds=14),
        {},
        "failed",
        "the command failed with exit code 137 (killed by SIGKILL)",
    ),
    (
        "out of memory beside a sidecar",
        _running_still(137, seconds=0, reason="OOMKilled"),
        {},
        "failed",
        "the task ran out of memory (limit 512Mi)",
    ),
    (
        "ended by the deadline beside a sidecar",
        _running_still(143, seconds=14),
        {"deadline": 9, "task_timeout": 9},
        "failed",
        "the task took longer than its timeout of 9 s",
    ),
    ("succeeded, the sidecar failed", _ended("Failed", 0), {}, "success", None),
    ("exit code", _ended("Failed", 3), {}, "failed", "the command failed with exit code 3"),
    ("signal", _ended("Failed", 137), {}, "failed", "the command failed with exit code 137 (killed by SIGKILL)"),
    (
        "memory",
        _ended("Failed", 137, terminated={"reason": "OOMKilled"}),
        {},
        "failed",
        "the task ran out of memory (limit 512Mi)",
    ),
    (
        "task timeout",
        _ended("Failed", 143, reason="DeadlineExceeded"),
        {"deadline": 9, "task_timeout": 9},
        "failed",
        "the task took longer than its timeout of 9 s",
    ),
    (
        "run timeout, the kubelet being first",
        _ended("Failed", 143, reason="DeadlineExceeded"),
        {"deadline": 5, "task_timeout": 9, "run_timeout": 60},
        "failed",
        "the run took longer than its timeout of 60 s",
    ),
    (
        "run timeout",
        _ended("Failed", 143, reason="DeadlineExceeded"),
        {"deadline": 1, "run_timeout": 60, "stop": Stop.TIMED_OUT},
        "failed",
        "the run took longer than its timeout of 60 s",
    ),
    (
        "cancelled",
        _ended("Failed", 143, reason="DeadlineExceeded"),
        {"deadline": 1, "stop": Stop.CANCELLED},
        "cancelled",
        None,
    ),
    ("cancelled too late", _ended("Succeeded", 0), {"deadline": 1, "stop": Stop.CANCELLED}, "success", None),
    (
        "never started within its timeout",
        _ended("Failed", 137, reason="DeadlineExceeded", **NEVER_RAN),
        {"deadline": 9, "task_timeout": 9},
        "failed",
        "the task could not be started within its timeout of 9 s",
    ),
    (
        "given up",
        _ended("Failed", 137, reason="DeadlineExceeded", **NEVER_RAN),
        {"deadline": 1, "before": PULL},
        "failed",
        PULL,
    ),
    (
        "cannot be executed",
        _ended("Failed", 128, terminated={"startedAt": NEVER, "reason": "StartError", "message": "no sh"}),
        {},
        "failed",
        "the container cannot be started: no sh",
    ),
    (
        "pull backs off",
        _waiting(
            "ImagePullBackOff",
            'Back-off pulling image "acme/tool:1": ErrImagePull: rpc error: code = NotFound desc = gone',
        ),
        {},
        "pending",
        f"{PULL}: gone{GIVEN_UP}",
    ),
    (
        "pull fails",
        _waiting("ErrImagePull", "rpc error: code = NotFound desc = gone"),
        {},
        "pending",
        f"{PULL}: gone{GIVEN_UP}",
    ),
    (
        "pull backs off, older kubelets",
        _waiting("ImagePullBackOff", 'Back-off pulling image "acme/tool:1"'),
        {},
        "pending",
        f"{PULL}{GIVEN_UP}",
    ),
    ("image name", _waiting("InvalidImageName"), {}, "pending", '"acme/tool:1" is not a valid image name'),
    (
        "missing secret",
        _waiting("CreateContainerConfigError", 'secret "keys" not found'),
        {},
        "pending",
        'the container cannot be started: secret "keys" not found; given up after 5 min',
    ),
    (
        "no room",
        UNSCHEDULABLE,
        {},
        "pending",
        "waiting for room in the cluster: 0/1 nodes are available: 1 Insufficient cpu.",
    ),
]


def _context(given: dict[str, Any]) -> ObservationContext:
    return ObservationContext(given.get("stop"), given.get("run_timeout"), given.get("task_timeout"), NOW)


@pytest.mark.parametrize(("status", "given", "phase", "error"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_status_of_an_attempt(status: dict[str, Any], given: dict[str, Any], phase: str, error: str | None) -> None:
    error_before = given.get("before")
    before = (
        AttemptStatus(attempt=0, pod_name="p", status=TaskPhase.PENDING, error=error_before) if error_before else None
    )
    attempt = OBSERVER.observe(_pod(status, given.get("deadline")), before, _context(given))
    assert (attempt.status.value, attempt.error) == (phase, error)
    assert attempt.status.is_terminal == (attempt.completion_time is not None)
    assert attempt.pod_uid == "u"


def test_times_and_exit_code_are_those_of_the_process() -> None:
    attempt = OBSERVER.observe(_pod(_ended("Failed", 3)), None, _context({}))
    assert attempt.to_api()["startTime"] == STARTED
    assert attempt.to_api()["completionTime"] == ENDED
    assert attempt.exit_code == 3


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, None),
        (_waiting("ContainerCreating"), None),
        (UNSCHEDULABLE, None),
        (_waiting("InvalidImageName"), NOW - timedelta(minutes=2)),
        (_waiting("ImagePullBackOff"), NOW + timedelta(minutes=3)),
        (_waiting("CreateContainerConfigError"), NOW + timedelta(minutes=3)),
        (_ended("Failed", 1), None),
    ],
)
def test_when_to_give_up(status: dict[str, Any], expected: datetime | None) -> None:
    assert pod_failures.give_up_time(_pod(status)) == expected


@pytest.mark.parametrize(
    ("stop", "phase", "error"),
    [
        (None, "failed", "the pod was deleted while the task was running"),
        (Stop.CANCELLED, "cancelled", None),
        (Stop.TIMED_OUT, "failed", "the run took longer than its timeout of 60 s"),
    ],
)
def test_a_pod_that_vanished(stop: Stop | None, phase: str, error: str | None) -> None:
    before = AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=TaskPhase.RUNNING)
    attempt = OBSERVER.observe_missing(before, _context({"stop": stop, "run_timeout": 60}))
    assert (attempt.status.value, attempt.error, attempt.completion_time) == (phase, error, NOW)
    assert attempt.disrupted is (stop is None)


EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
UNSTARTABLE = f"the task could not be started within its timeout of 9 s; until then: {PULL}"


@pytest.mark.parametrize(
    ("last", "before", "error", "disrupted"),
    [
        (_waiting("ContainerCreating"), {}, "the pod was deleted while the task was pending", True),
        (
            {**_waiting("ContainerCreating"), "conditions": [EVICTED]},
            {},
            "the pod was ended by the cluster: Eviction API: evicting",
            True,
        ),
        ({**_waiting("ContainerCreating"), "startTime": STARTED}, {"error": PULL, "deadline": 9}, UNSTARTABLE, False),
        (_ended("Succeeded", 0), {}, None, False),
        (_ended("Failed", 3), {}, "the command failed with exit code 3", False),
        (_running_still(3, seconds=1), {}, "the command failed with exit code 3", False),
    ],
)
@pytest.mark.parametrize("pod_uid", ["u", None], ids=["recorded", "its start only is recorded"])
def test_what_was_last_seen_of_a_pod_that_vanished(
    pod_uid: str | None, last: dict[str, Any], before: dict[str, Any], error: str | None, disrupted: bool
) -> None:
    recorded = AttemptStatus(
        attempt=0, pod_name="p", pod_uid=pod_uid, status=TaskPhase.PENDING, error=before.get("error")
    )
    context = ObservationContext(None, None, 9, NOW, last_seen={"u": _pod(last, before.get("deadline"))})
    attempt = OBSERVER.observe_missing(recorded, context)
    expected = TaskPhase.FAILED if error else TaskPhase.SUCCESS
    assert (attempt.status, attempt.error, attempt.disrupted) == (expected, error, disrupted)


def test_a_pod_that_was_created_after_its_attempt_was_recorded_as_lost_is_ended() -> None:
    cache = ClusterCache()
    owner = {"apiVersion": API_VERSION, "kind": Kind.RUN, "name": "r", "uid": "run", "controller": True}
    late = _pod({"phase": "Running"})
    metadata = late["metadata"] | {"namespace": "icefield-demo", "resourceVersion": "1", "ownerReferences": [owner]}
    cache.observe("ADDED", {**late, "kind": Kind.POD, "metadata": metadata})
    run = Run.model_validate(
        {
            "apiVersion": API_VERSION,
            "kind": Kind.RUN,
            "metadata": {"name": "r", "namespace": "icefield-demo", "uid": "run"},
            "spec": {"command": "true"},
        }
    )
    key, number = pods.attempt_of(late)
    lost = AttemptStatus(attempt=number, pod_name="p", status=TaskPhase.FAILED, completion_time=NOW, disrupted=True)
    run_pods = RunPods(Mock(), cache, Mock())
    for waited, ended in ((timedelta(0), 0), (OUTLIVES_TASK, 1)):
        lingering, due = run_pods.find_lingering(run, {key: [lost]}, NOW + waited)
        assert (len(lingering), due) == (ended, None if ended else NOW + OUTLIVES_TASK)

"""What the cluster does to a pod, told apart from what the task does, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import AttemptStatus, Run, Task, TaskPhase, format_time, labels
from icefield_crds.names import API_VERSION, END_REQUESTED_ANNOTATION, pod_name
from icefield_operator import lost_pods
from icefield_operator.run import attempt_end, pods
from icefield_operator.run import status as run_status
from icefield_operator.run.attempt_end import ObservationContext
from icefield_operator.run.dag import Stop
from icefield_operator.sandbox.observe import SandboxObserver

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TASK, SPARK = pods.PodObserver(), pods.PodObserver(restarts_begun_work=False)
RUN = Run.model_validate(
    {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {"name": "run", "namespace": "icefield-demo", "uid": "u"},
        "spec": {"command": "true"},
    }
)
TASKS = [Task(key="main", command="true")]
LOST = "node n1 does not respond, so the attempt was given up; its process may run there until the node responds again"
UNKNOWN = "node n1 does not respond; whether the task still runs there is not known"
MARKED = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]


def _ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def _pod(
    phase: str, state: dict[str, Any] | None = None, *, limit: int | None = None, metadata: Any = None, **status: Any
) -> dict[str, Any]:
    containers = [{"name": "task", "state": state}] if state else []
    return {
        "metadata": {
            "name": "p",
            "uid": "u",
            "labels": labels.of_task_pod("demo", "w", "run", "main", 0),
            **(metadata or {}),
        },
        "spec": {
            "containers": [{"name": "task", "image": "acme/tool:1", "resources": {}}],
            "nodeName": "n1",
            "terminationGracePeriodSeconds": 10,
            **({"activeDeadlineSeconds": limit} if limit else {}),
        },
        "status": {"phase": phase, "startTime": _ago(600), "containerStatuses": containers, **status},
    }


def _terminated(code: int, ended: float = 60, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "startedAt": _ago(600), "finishedAt": _ago(ended), **more}}


def _deleted(ago: float, grace: int = 10) -> dict[str, Any]:
    return {"deletionTimestamp": _ago(ago - grace), "deletionGracePeriodSeconds": grace}


def _target(reason: str, ago: float) -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": _ago(ago)}]


RUNNING = {"running": {"startedAt": _ago(600)}}
STOP_ASKED = {"annotations": {END_REQUESTED_ANNOTATION: _ago(60)}}

ENDS: list[tuple[str, dict[str, Any], bool]] = [
    ("refused by the kubelet", _pod("Failed", reason="OutOfcpu", message="Node didn't have enough cpu"), True),
    ("refused for its node's labels", _pod("Failed", reason="NodeAffinity"), True),
    ("refused by a device", _pod("Failed", reason="UnexpectedAdmissionError"), True),
    (
        "evicted",
        _pod("Failed", _terminated(137), reason="Evicted", message="The node was low on resource: memory."),
        True,
    ),
    (
        "evicted as the node is low on storage",
        _pod(
            "Failed",
            _terminated(137),
            reason="Evicted",
            message="The node was low on resource: ephemeral-storage. Container task was using 1Gi, request is 0.",
            conditions=_target("TerminationByKubelet", 50),
        ),
        True,
    ),
    ("node shut down", _pod("Failed", _terminated(143), reason="Terminated", message="imminent node shutdown"), True),
    ("preempted", _pod("Failed", _terminated(143), conditions=_target("PreemptionByScheduler", 70)), True),
    ("drained", _pod("Failed", _terminated(1), conditions=_target("EvictionByEvictionAPI", 70)), True),
    ("ended by the kubelet", _pod("Failed", _terminated(143), conditions=_target("TerminationByKubelet", 50)), True),
    ("failed before the drain", _pod("Failed", _terminated(1), conditions=_target("EvictionByEvictionAPI", 50)), False),
    ("its node is gone", _pod("Failed", RUNNING, conditions=_target("DeletionByPodGC", 5)), True),
    ("deleted by somebody", _pod("Failed", _terminated(143), metadata=_deleted(61)), True),
    ("failed before it was deleted", _pod("Failed", _terminated(3), metadata=_deleted(30)), False),
    ("node restarted", _pod("Failed", _terminated(255, reason="Unknown")), True),
    ("failed", _pod("Failed", _terminated(1)), False),
    ("killed by somebody inside", _pod("Failed", _terminated(143)), False),
    ("out of memory", _pod("Failed", _terminated(137, reason="OOMKilled")), False),
    (
        "over its own storage limit",
        _pod(
            "Failed",
            _terminated(137),
            reason="Evicted",
            message='Container task exceeded its local ephemeral storage limit "1Gi". ',
        ),
        False,
    ),
    ("over its timeout", _pod("Failed", _terminated(143), reason="DeadlineExceeded", limit=9), False),
    ("over its timeout, then deleted", _pod("Failed", _terminated(143), limit=9, metadata=_deleted(61)), False),
    ("lost with its node", _pod("Running", RUNNING, metadata=_deleted(41)), True),
]


def _context(stop: Stop | None = None, task_timeout: int | None = None) -> ObservationContext:
    return ObservationContext(stop, 60, task_timeout, NOW)


@pytest.mark.parametrize(("pod", "disrupted"), [case[1:] for case in ENDS], ids=[case[0] for case in ENDS])
def test_what_counts_as_a_disruption(pod: dict[str, Any], disrupted: bool) -> None:
    attempt = TASK.observe(pod, None, _context())
    assert (attempt.status, attempt.disrupted) == (TaskPhase.FAILED, disrupted)
    assert attempt.error


@pytest.mark.parametrize(
    ("pod", "disrupted"),
    [
        (_pod("Failed", reason="OutOfcpu"), True),
        (_pod("Failed", _terminated(137), reason="Evicted"), False),
        (_pod("Running", RUNNING, metadata=_deleted(41)), False),
    ],
)
def test_work_that_had_begun_is_not_started_again_where_what_it_wrote_may_exist(
    pod: dict[str, Any], disrupted: bool
) -> None:
    attempt = SPARK.observe(pod, None, _context())
    assert attempt.disrupted is disrupted
    assert (attempt.error or "").endswith(pods.COUNTS_AS_FAILURE) is not disrupted


@pytest.mark.parametrize(
    ("state", "start_time", "may_be_dispatched", "disrupted"),
    [
        (None, None, True, True),
        (RUNNING, None, False, True),
        (RUNNING, None, True, False),
        (RUNNING, NOW, False, False),
    ],
)
def test_a_workload_that_had_not_begun_is_started_again(
    state: dict[str, Any] | None, start_time: datetime | None, may_be_dispatched: bool, disrupted: bool
) -> None:
    before = AttemptStatus(attempt=0, pod_name="p", status="pending", start_time=start_time)
    pod = _pod("Failed", state, reason="Evicted", message="The node was low on resource: memory.")
    attempt = SandboxObserver(may_be_dispatched=may_be_dispatched).observe(pod, before, _context())
    assert (attempt.status, attempt.disrupted) == (TaskPhase.FAILED, disrupted)


@pytest.mark.parametrize(
    ("restarts", "started", "expected"),
    [
        (0, 5, (TaskPhase.RUNNING, None)),
        (1, 5, (TaskPhase.FAILED, "node n1 restarted while the workload ran")),
    ],
)
def test_a_sandbox_that_its_node_started_again_has_lost_its_workload(
    restarts: int, started: int, expected: tuple[TaskPhase, str | None]
) -> None:
    before = AttemptStatus(attempt=0, pod_name="p", status="running", start_time=NOW - timedelta(seconds=9))
    container = {"name": "task", "state": {"running": {"startedAt": _ago(started)}}, "restartCount": restarts}
    attempt = SandboxObserver().observe(_pod("Running", containerStatuses=[container]), before, _context())
    assert (attempt.status, attempt.error, attempt.disrupted) == (*expected, False)


LOSSES: list[tuple[str, dict[str, Any], dict[str, Any], str, str | None]] = [
    ("runs", _pod("Running", RUNNING), {}, "running", None),
    ("marked not ready", _pod("Running", RUNNING, conditions=MARKED), {}, "running", UNKNOWN),
    (
        "waits for a gate",
        _pod("Running", RUNNING, conditions=[MARKED[0] | {"reason": "ReadinessGatesNotReady"}, MARKED[1]]),
        {},
        "running",
        None,
    ),
    ("being deleted", _pod("Running", RUNNING, metadata=_deleted(39)), {}, "running", None),
    ("deleted, no answer", _pod("Running", RUNNING, metadata=_deleted(41)), {}, "failed", LOST),
    ("never started, no answer", _pod("Pending", metadata=_deleted(41)), {}, "failed", LOST),
    ("cancelled, no answer", _pod("Running", RUNNING, metadata=_deleted(41)), {"stop": "cancelled"}, "cancelled", LOST),
    (
        "timed out, no answer",
        _pod("Running", RUNNING, metadata=_deleted(41)),
        {"stop": "timed out"},
        "failed",
        f"the run took longer than its timeout of 60 s; {LOST}",
    ),
    ("waits for a volume", _pod("Pending", limit=590), {}, "pending", None),
    ("waits for a volume for long", _pod("Pending", limit=550), {}, "pending", UNKNOWN),
    (
        "over its own timeout, no answer",
        _pod("Running", RUNNING, metadata=_deleted(41), limit=30),
        {"task_timeout": 30, "start": NOW - timedelta(seconds=600)},
        "failed",
        f"the task took longer than its timeout of 30 s; {LOST}",
    ),
    (
        "over its own timeout, not started",
        _pod("Pending", metadata=_deleted(41), limit=30),
        {"task_timeout": 30, "error": UNKNOWN},
        "failed",
        f"the task could not be started within its timeout of 30 s; {LOST}",
    ),
]


@pytest.mark.parametrize(
    ("pod", "given", "phase", "error"), [case[1:] for case in LOSSES], ids=[case[0] for case in LOSSES]
)
def test_a_node_that_does_not_respond(
    pod: dict[str, Any], given: dict[str, Any], phase: str, error: str | None
) -> None:
    before = AttemptStatus(
        attempt=0, pod_name="p", status="running", start_time=given.get("start"), error=given.get("error")
    )
    stop = Stop(given["stop"]) if "stop" in given else None
    attempt = TASK.observe(pod, before, _context(stop, given.get("task_timeout")))
    assert (attempt.status.value, attempt.error) == (phase, error)


@pytest.mark.parametrize(
    ("pod", "seconds"),
    [
        (_pod("Running", RUNNING), None),
        (_pod("Running", RUNNING, metadata=STOP_ASKED, limit=1), -60 + 10 + 30),
        (_pod("Running", RUNNING, metadata=STOP_ASKED, limit=1, conditions=MARKED), -60),
        (_pod("Running", RUNNING, limit=590), -10 + 10 + 30),
        (_pod("Pending", limit=590), -10 + 5),
        (_pod("Pending", {"waiting": {"reason": "ContainerCreating"}}, metadata=STOP_ASKED, limit=1), -60 + 5),
        (_pod("Pending", initContainerStatuses=[{"name": "tini", "state": RUNNING}], limit=590), -10 + 10 + 30),
        (_pod("Failed", _terminated(143), metadata=STOP_ASKED), None),
        (_pod("Running", RUNNING, metadata=STOP_ASKED | _deleted(5)), None),
    ],
)
def test_when_a_pod_is_deleted_that_was_to_end(pod: dict[str, Any], seconds: float | None) -> None:
    assert lost_pods.overdue_time(pod) == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_the_end_of_a_container_beside_a_sidecar_counts_once_the_kubelet_had_time_to_say_why() -> None:
    ended = NOW - timedelta(seconds=60)
    delays = {
        0: timedelta(seconds=3),
        3: timedelta(seconds=3),
        143: timedelta(seconds=13),
    }
    assert {code: attempt_end.own_end_time(_pod("Running", _terminated(code))) for code in delays} == {
        code: ended + delay for code, delay in delays.items()
    }
    assert attempt_end.own_end_time(_pod("Running", _terminated(137, reason="OOMKilled"))) == ended
    assert attempt_end.own_end_time(_pod("Failed", _terminated(3))) is None
    assert attempt_end.own_end_time(_pod("Running", RUNNING)) is None


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (RUNNING, None),
        ({"running": {"startedAt": _ago(5)}}, "node n1 restarted while the task ran; the task began again"),
        ({"waiting": {"reason": "ContainerCreating"}}, "node n1 restarted while the task ran; the task begins again"),
    ],
)
def test_a_node_that_restarted_keeps_the_start_time(state: dict[str, Any], error: str | None) -> None:
    before = AttemptStatus(attempt=0, pod_name="p", status="running", start_time=NOW - timedelta(seconds=600))
    attempt = TASK.observe(_pod("Running", state), before, _context())
    assert (attempt.status, attempt.start_time, attempt.error) == (TaskPhase.RUNNING, before.start_time, error)


def test_a_process_that_never_ran_has_no_times_of_1970() -> None:
    state = {
        "terminated": {"exitCode": 128, "reason": "StartError", "message": "no sh", "startedAt": "1970-01-01T00:00:00Z"}
    }
    attempt = TASK.observe(_pod("Failed", state), None, _context())
    assert (attempt.start_time, attempt.exit_code, attempt.completion_time) == (None, None, NOW)


@pytest.mark.parametrize(("observer", "disrupted"), [(TASK, True), (SPARK, False)])
def test_an_attempt_that_leaves_nothing_may_have_run(observer: pods.PodObserver, disrupted: bool) -> None:
    found = run_status.attempts_of(RUN, TASKS, [], stop=None, now=NOW, observer=observer, lost=[("main", 0)])
    (attempt,) = found["main"]
    assert (attempt.status, attempt.disrupted, attempt.attempt) == (TaskPhase.FAILED, disrupted, 0)
    assert (attempt.error or "").startswith(attempt_end.START_NOT_KNOWN)


def test_a_pod_that_came_and_went_had_an_attempt_though_its_creation_was_not_answered() -> None:
    gone = _pod("Running", RUNNING, metadata={**_deleted(5), "name": pod_name("run", "main", 0)})
    found = run_status.attempts_of(RUN, TASKS, [], stop=None, now=NOW, observer=TASK, last_seen={"u": gone})
    (attempt,) = found["main"]
    assert (attempt.attempt, attempt.status, attempt.disrupted, attempt.pod_uid) == (0, TaskPhase.FAILED, True, "u")
    assert attempt.error != attempt_end.START_NOT_KNOWN

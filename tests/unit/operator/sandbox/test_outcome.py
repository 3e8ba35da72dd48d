"""From what a sandbox reports, or its pod shows, to the outcome of a workload and the status of its attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import AttemptStatus, RunPhase, RunStatus, TaskPhase, TaskStatus, labels
from icefield_crds.wire.outcome import FailureKind, WorkloadOutcome, WorkloadState
from icefield_operator.run.attempt_end import START_NOT_KNOWN, ObservationContext
from icefield_operator.run.dag import Stop
from icefield_operator.sandbox import observe
from icefield_operator.sandbox.build import TEMPLATE_ANNOTATION
from icefield_operator.sandbox.observe import SandboxObserver, WorkloadReport

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DISPATCHED = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
STARTED = "2026-01-01T11:00:00Z"
KEY = "workspaces/demo/runs/u/result.arrow"


def _pod(phase: str, terminated: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    state = {"terminated": {"startedAt": STARTED, "exitCode": 0, **terminated}} if terminated is not None else {}
    container = {"name": "task", "resources": {"limits": {"memory": "4Gi"}}}
    return {
        "metadata": {"name": "p", "uid": "u", "labels": labels.of_sandbox("demo", "w", "run", "main", 0)},
        "spec": {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "task", "state": state}], **status},
    }


REPORTED = json.dumps({"state": "failed", "error": "no", "error_kind": "time"})
CASES: list[tuple[str, dict[str, Any], tuple[str | None, str | None] | None]] = [
    ("it runs", _pod("Running"), None),
    ("it reported", _pod("Failed", {"exitCode": 1, "message": REPORTED}), ("no", "time")),
    ("it reported though it was killed", _pod("Failed", {"reason": "OOMKilled", "message": REPORTED}), ("no", "time")),
    (
        "memory",
        _pod("Failed", {"exitCode": 137, "reason": "OOMKilled"}),
        ("the workload ran out of memory (limit 4Gi); ask for more vcpus", "memory"),
    ),
    (
        "disk",
        _pod("Failed", {"exitCode": 137}, reason="Evicted", message='Usage of EmptyDir volume "tmp" exceeds the limit'),
        ("the workload used more disk than it may (limit 8Gi)", "disk"),
    ),
    (
        "its whole disk",
        _pod("Failed", reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of 9Gi."),
        ("the workload used more disk than it may (limit 8Gi)", "disk"),
    ),
    ("the node's memory", _pod("Failed", reason="Evicted", message="The node was low on resource: memory."), None),
    ("ended by its deadline", _pod("Failed", {"exitCode": 143}, reason="DeadlineExceeded"), None),
    (
        "its node went",
        _pod("Failed", {"exitCode": 143}, conditions=[{"type": "DisruptionTarget", "status": "True"}]),
        None,
    ),
    (
        "nonsense",
        _pod("Failed", {"exitCode": 1, "message": "Traceback"}),
        ("the sandbox failed with exit code 1, without reporting an outcome", "internal"),
    ),
    (
        "nothing",
        _pod("Succeeded", {}),
        ("the sandbox ended with exit code 0, without reporting an outcome", "internal"),
    ),
]


@pytest.mark.parametrize(("pod", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_only_the_pod_shows(pod: dict[str, Any], expected: tuple[str, str] | None) -> None:
    outcome = observe.outcome_of_pod(pod)
    assert (outcome and (outcome.error, outcome.error_kind)) == expected


@pytest.mark.parametrize(
    "forged",
    [
        {"state": "done"},
        {"state": "succeeded", "row_count": 2**64},
        {"state": "succeeded", "row_count": -1},
        {"state": "failed", "error_kind": "x" * 100},
        {"state": "succeeded", "execution_milliseconds": float("inf")},
    ],
)
def test_what_a_status_could_not_hold_is_no_outcome(forged: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        WorkloadOutcome.from_json(forged)


def test_where_a_result_lies_is_not_for_the_sandbox_to_say() -> None:
    forged = WorkloadOutcome.from_json({"state": "succeeded", "result": {"key": "workspaces/other/secret", "bytes": 1}})
    report = observe.report_of(forged, DISPATCHED, KEY)
    assert report.polars is not None
    assert report.polars.result is not None
    assert report.polars.result.key == KEY


@pytest.mark.parametrize(
    ("reported", "stop", "phase", "error"),
    [
        ({"state": "succeeded"}, None, "success", None),
        ({"state": "succeeded"}, Stop.CANCELLED, "success", None),
        ({"state": "failed", "error": "no"}, None, "failed", "no"),
        ({"state": "failed"}, None, "failed", "the workload failed without a message"),
        # Cut short from outside: why, the pod tells, later.
        ({"state": "cancelled", "error": "the workload was cancelled"}, Stop.CANCELLED, "running", None),
    ],
)
def test_the_attempt_follows_the_report(
    reported: dict[str, Any], stop: Stop | None, phase: str, error: str | None
) -> None:
    report = observe.report_of(WorkloadOutcome.from_json(reported), DISPATCHED, KEY)
    attempt = SandboxObserver(reports={"u": report}).observe(
        _pod("Running"), None, ObservationContext(stop, 60, None, NOW)
    )
    assert (attempt.status.value, attempt.error, attempt.start_time) == (phase, error, DISPATCHED)
    assert attempt.exit_code == {"success": 0, "failed": 1}.get(phase)


def test_a_sandbox_that_runs_without_a_workload_has_not_started() -> None:
    running = _pod("Running")
    running["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": STARTED}}
    context = ObservationContext(None, 60, None, NOW)
    attempt = SandboxObserver(reports={"u": WorkloadReport()}).observe(running, None, context)
    assert (attempt.status, attempt.start_time) == (TaskPhase.PENDING, None)


def test_an_outcome_that_is_known_counts_though_the_pod_is_gone() -> None:
    report = observe.report_of(WorkloadOutcome(WorkloadState.SUCCEEDED), DISPATCHED, KEY)
    before = AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=TaskPhase.RUNNING, start_time=DISPATCHED)
    attempt = SandboxObserver(reports={"u": report}).observe_missing(before, ObservationContext(None, 60, None, NOW))
    assert attempt.status is TaskPhase.SUCCESS


def test_no_workload_was_sent_where_no_sandbox_was_recorded() -> None:
    starting = AttemptStatus(attempt=0, pod_name="p", status=TaskPhase.PENDING)
    attempt = SandboxObserver().observe_missing(starting, ObservationContext(None, 60, None, NOW))
    assert (attempt.status, attempt.disrupted, attempt.error) == (TaskPhase.FAILED, True, START_NOT_KNOWN)


CLAIMED_AT = NOW - timedelta(seconds=20)
START_FAILURE = json.dumps(
    {"state": "failed", "error": "the sandbox could not start: its worker was killed", "error_kind": "start"}
)


def _of_pool(state: dict[str, Any], *, scheduled: datetime = CLAIMED_AT, **status: Any) -> dict[str, Any]:
    scheduling = {"type": "PodScheduled", "status": "True", "lastTransitionTime": scheduled.isoformat()}
    pod = _pod("Pending", conditions=[scheduling], **status)
    pod["metadata"]["annotations"] = {TEMPLATE_ANNOTATION: "now"}
    pod["spec"]["nodeName"] = "n1"
    pod["status"]["containerStatuses"][0]["state"] = state
    return pod


@pytest.mark.parametrize(
    ("pod", "may_be_dispatched", "stop", "ends"),
    [
        (_of_pool({}), False, None, True),
        (_of_pool({"waiting": {"reason": "ContainerCreating"}}), False, None, True),
        (_of_pool({}, scheduled=NOW - timedelta(seconds=14)), False, None, False),
        (_of_pool({"running": {"startedAt": STARTED}}), False, None, False),
        (_of_pool({}), True, None, False),
        (_of_pool({}), False, Stop.CANCELLED, False),
        (_pod("Pending"), False, None, False),
    ],
    ids=["not started", "creating", "not yet", "started", "may have the workload", "cancelled", "of its own"],
)
def test_a_claimed_sandbox_that_is_not_started_is_given_up(
    pod: dict[str, Any], may_be_dispatched: bool, stop: Stop | None, ends: bool
) -> None:
    observer = SandboxObserver(may_be_dispatched=may_be_dispatched)
    attempt = observer.observe(pod, None, ObservationContext(stop, 60, None, NOW))
    expected = (TaskPhase.FAILED, True, observe.NOT_STARTED) if ends else (TaskPhase.PENDING, False, None)
    assert (attempt.status, attempt.disrupted, attempt.error) == expected


def test_a_pass_is_due_when_a_claimed_sandbox_is_given_up() -> None:
    later = NOW + timedelta(seconds=14)
    pods = [_of_pool({}), _of_pool({}, scheduled=NOW - timedelta(seconds=1)), _pod("Pending")]
    assert SandboxObserver().due(pods, NOW) == later
    assert SandboxObserver().due(pods, later) is None


@pytest.mark.parametrize("start_time", [None, DISPATCHED])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_sandbox_that_ended_before_it_began_the_workload_is_a_disruption(
    start_time: datetime | None, is_gone: bool
) -> None:
    pod = _pod("Failed", {"exitCode": 1, "message": START_FAILURE})
    outcome = observe.outcome_of_pod(pod)
    assert outcome is not None
    observer = SandboxObserver(reports={"u": observe.report_of(outcome, start_time, KEY)})
    before = AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=TaskPhase.PENDING, start_time=start_time)
    context = ObservationContext(None, 60, None, NOW)
    attempt = observer.observe_missing(before, context) if is_gone else observer.observe(pod, before, context)
    assert (attempt.status, attempt.disrupted, attempt.error) == (TaskPhase.FAILED, True, outcome.error)


@pytest.mark.parametrize("may_be_dispatched", [False, True])
def test_a_sandbox_that_dies_without_the_workload_is_a_disruption(may_be_dispatched: bool) -> None:
    pod = _pod("Failed", {"exitCode": 137, "reason": "OOMKilled"})
    outcome = observe.outcome_of_pod(pod)
    assert outcome is not None
    report = observe.report_of(outcome, None, KEY)
    observer = SandboxObserver(reports={"u": report}, may_be_dispatched=may_be_dispatched)
    attempt = observer.observe(pod, None, ObservationContext(None, 60, None, NOW))
    assert (attempt.status, attempt.disrupted) == (TaskPhase.FAILED, not may_be_dispatched)
    cancelled = observer.observe(pod, None, ObservationContext(Stop.CANCELLED, 60, None, NOW))
    assert not cancelled.disrupted


def test_what_a_disrupted_attempt_reported_is_not_the_outcome_of_its_run() -> None:
    report = observe.report_of(WorkloadOutcome.failed(FailureKind.START, "no"), None, KEY)
    observer = SandboxObserver(reports={"u": report})
    attempt = AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=TaskPhase.FAILED)
    task = TaskStatus(key="main", status=TaskPhase.FAILED, attempts=[attempt])
    assert observer.complete(RunStatus(phase=RunPhase.PENDING, tasks=[task])).polars is None
    assert observer.complete(RunStatus(phase=RunPhase.FAILED, tasks=[task])).polars == report.polars
    again = task.model_copy(update={"attempts": [attempt, attempt.model_copy(update={"pod_uid": "v"})]})
    assert observer.complete(RunStatus(phase=RunPhase.FAILED, tasks=[again])).polars is None


def test_what_one_sandbox_reported_is_not_told_of_another() -> None:
    report = observe.report_of(WorkloadOutcome(WorkloadState.SUCCEEDED), DISPATCHED, KEY)
    attempt = SandboxObserver(reports={"v": report}).observe(
        _pod("Pending"), None, ObservationContext(None, 60, None, NOW)
    )
    assert attempt.status is TaskPhase.PENDING

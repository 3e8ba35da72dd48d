"""From what a sandbox reports, or its pod shows, to the outcome of a workload and the status of its attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import AttemptStatus, TaskPhase, labels
from icefield_crds.wire.outcome import WorkloadOutcome, WorkloadState
from icefield_operator.run.attempt_end import ObservationContext
from icefield_operator.run.dag import Stop
from icefield_operator.sandbox import observe
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
    attempt = SandboxObserver(report=report).observe(_pod("Running"), None, ObservationContext(stop, 60, None, NOW))
    assert (attempt.status.value, attempt.error, attempt.start_time) == (phase, error, DISPATCHED)
    assert attempt.exit_code == {"success": 0, "failed": 1}.get(phase)


def test_a_sandbox_that_runs_without_a_workload_has_not_started() -> None:
    running = _pod("Running")
    running["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": STARTED}}
    context = ObservationContext(None, 60, None, NOW)
    attempt = SandboxObserver(report=WorkloadReport()).observe(running, None, context)
    assert (attempt.status, attempt.start_time) == (TaskPhase.PENDING, None)


def test_an_outcome_that_is_known_counts_though_the_pod_is_gone() -> None:
    report = observe.report_of(WorkloadOutcome(WorkloadState.SUCCEEDED), DISPATCHED, KEY)
    before = AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=TaskPhase.RUNNING, start_time=DISPATCHED)
    attempt = SandboxObserver(report=report).observe_missing(before, ObservationContext(None, 60, None, NOW))
    assert attempt.status is TaskPhase.SUCCESS

"""Pure: from what a sandbox reports, or its pod shows, to the status of the attempt that it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from icefield_crds import AttemptStatus, PolarsOutcome, RunStatus, TaskPhase
from icefield_crds.names import TASK_CONTAINER
from icefield_crds.polars import Saved, StoredResult
from icefield_crds.wire.outcome import FailureKind, WorkloadOutcome, WorkloadState
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures, pod_status
from icefield_operator.run.attempt_end import AttemptEnd, ObservationContext
from icefield_operator.run.pods import PodObserver

from . import pool_plan

MAX_ERROR = 4096
"""Longest error in the status of a Run."""
NOT_STARTED = (
    f"the sandbox, one of the pool, was not started within {pool_plan.START_PATIENCE.total_seconds():.0f} s; "
    "the workload gets another one"
)
_SIGTERM_EXIT_CODE = 143


@dataclass(frozen=True)
class WorkloadReport:
    """What is known of a workload besides its pod."""

    start_time: datetime | None = None
    """When the workload was dispatched to its sandbox; None before."""
    phase: TaskPhase | None = None
    """How it ended; None while it runs, and when its pod has to show why it was interrupted."""
    error: str | None = None
    """Why it failed."""
    exit_code: int | None = None
    """What its process ends with."""
    polars: PolarsOutcome | None = None
    """What it produced."""
    has_begun: bool = True
    """False when its sandbox ended before it began the workload."""


NOTHING_KNOWN = WorkloadReport()


@dataclass(frozen=True)
class SandboxObserver(PodObserver):
    """Reads the attempt off the sandbox's report: a workload starts when it is dispatched, not with its container."""

    reads_termination_message: bool = True
    restarts_begun_work: bool = False
    may_be_dispatched: bool = True
    """Whether the workload may have been sent to a sandbox."""
    reports: Mapping[str, WorkloadReport] = field(default_factory=dict)
    """What is known of the workload besides its pod, by the pod's uid."""

    def observe(self, pod: Manifest, recorded: AttemptStatus | None, context: ObservationContext) -> AttemptStatus:
        """Return the status of the attempt: the sandbox's report counts before its pod's phase."""
        report = self._report(pod["metadata"]["uid"])
        start_time = (recorded.start_time if recorded else None) or report.start_time
        attempt = self.observe_started(pod, start_time, recorded, context)
        if reported := self._reported(attempt, context):
            return reported
        if restarted := self.describe_restart(pod, recorded):
            # The one that runs now was never sent the workload.
            return self._ended(attempt, None, AttemptEnd(TaskPhase.FAILED, restarted), context)
        return _disrupted(attempt, NOT_STARTED, context.now) if self._is_overdue(pod, attempt, context) else attempt

    def observe_missing(self, recorded: AttemptStatus, context: ObservationContext) -> AttemptStatus:
        """Return the status of an attempt whose pod is gone: a report that came before counts."""
        return self._reported(recorded, context) or super().observe_missing(recorded, context)

    def due(self, run_pods: Sequence[Manifest], now: datetime) -> datetime | None:
        """Return when a sandbox is given up that was claimed while it started."""
        times = (pool_plan.give_up_time(pod) for pod in run_pods)
        return min((time for time in times if time is not None and time > now), default=None)

    def complete(self, status: RunStatus) -> RunStatus:
        """Return the Run's status with what the workload produced."""
        attempts = status.attempts
        polars = self._report(attempts[-1].pod_uid).polars if attempts and status.phase.is_terminal else None
        return status.model_copy(update={"polars": polars}) if polars else status

    def describe_restart(self, pod: Manifest, recorded: AttemptStatus | None) -> str | None:
        """Return that the sandbox was started once more, without the workload, after its node had restarted."""
        # Its start is told by the node's clock, that of the workload by ours: they cannot be compared.
        restarts = pod_status.container_status(pod, TASK_CONTAINER).get("restartCount", 0)
        if recorded is None or recorded.start_time is None or not restarts or pod_status.has_ended(pod):
            return None
        return f"node {lost_pods.node_of(pod)} restarted while the workload ran"

    def may_have_begun(self, attempt: AttemptStatus, pod: Manifest | None) -> bool:
        """Return whether the sandbox may have had the workload."""
        # The workload is sent once its sandbox is recorded.
        if attempt.start_time is not None or attempt.pod_uid is None or not self.may_be_dispatched:
            return attempt.start_time is not None
        state = pod_status.container_state(pod, TASK_CONTAINER) if pod else {}
        return pod is None or pod_status.started_at(state) is not None

    def _report(self, pod_uid: str | None) -> WorkloadReport:
        return self.reports.get(pod_uid or "", NOTHING_KNOWN)

    def _is_overdue(self, pod: Manifest, attempt: AttemptStatus, context: ObservationContext) -> bool:
        """Return whether the workload gets another sandbox than the one that it claimed while that started."""
        if context.stop is not None or attempt.status.is_terminal or self.may_be_dispatched:
            return False
        give_up = pool_plan.give_up_time(pod)
        return give_up is not None and give_up <= context.now

    def _reported(self, attempt: AttemptStatus, context: ObservationContext) -> AttemptStatus | None:
        """Return how the attempt ended by its sandbox's report; None where that does not tell."""
        report = self._report(attempt.pod_uid)
        if report.phase is None:
            return None
        if report.phase is TaskPhase.FAILED and not (report.has_begun and self.may_be_dispatched):
            # Whoever ended the sandbox, nothing of the workload was in it.
            return _disrupted(attempt, report.error, context.now) if context.stop is None else None
        return attempt.model_copy(
            update={
                "status": report.phase,
                "start_time": attempt.start_time or report.start_time or context.now,
                "completion_time": context.now,
                "exit_code": report.exit_code,
                "error": report.error,
                "disrupted": False,
            }
        )


def report_of(outcome: WorkloadOutcome, start_time: datetime | None, result_key: str) -> WorkloadReport:
    """Return what an outcome reports of the attempt; why a workload was interrupted, its pod shows.

    Args:
        outcome: what the sandbox answered.
        start_time: when the workload started.
        result_key: object store key of the result's rows.
    """
    if outcome.state is WorkloadState.CANCELLED:
        return WorkloadReport(start_time=start_time)
    succeeded = outcome.state is WorkloadState.SUCCEEDED
    saved, result = outcome.saved, outcome.result
    return WorkloadReport(
        start_time=start_time,
        has_begun=outcome.error_kind != FailureKind.START,
        phase=TaskPhase.SUCCESS if succeeded else TaskPhase.FAILED,
        error=None if succeeded else (outcome.error or "the workload failed without a message")[:MAX_ERROR],
        exit_code=0 if succeeded else 1,
        polars=PolarsOutcome(
            row_count=outcome.row_count,
            execution_milliseconds=outcome.execution_milliseconds,
            error_kind=outcome.error_kind,
            error_line=outcome.error_line,
            saved=Saved(table=saved.table, rows_written=saved.rows_written, mode=saved.mode) if saved else None,
            result=StoredResult(key=result_key, bytes=result.bytes) if result else None,
        ),
    )


def _disrupted(attempt: AttemptStatus, error: str | None, now: datetime) -> AttemptStatus:
    ended = {"status": TaskPhase.FAILED, "completion_time": now, "exit_code": None, "error": error, "disrupted": True}
    return attempt.model_copy(update=ended)


def outcome_of_pod(pod: Manifest) -> WorkloadOutcome | None:
    """Return the outcome of a sandbox that has ended; None while it runs, and when it was interrupted from outside."""
    terminated = pod_status.container_state(pod, TASK_CONTAINER).get("terminated") or {}
    if reported := _parse(terminated.get("message")):
        return reported
    if killed := pod_failures.describe_oom_kill(pod, TASK_CONTAINER, terminated, "the workload"):
        return WorkloadOutcome.failed(FailureKind.MEMORY, f"{killed}; ask for more vcpus")
    if pod_failures.exceeded_local_storage(pod):
        limit = next(v["emptyDir"]["sizeLimit"] for v in pod["spec"]["volumes"] if v["name"] == "tmp")
        return WorkloadOutcome.failed(FailureKind.DISK, f"the workload used more disk than it may (limit {limit})")
    if pod.get("status", {}).get("phase") == "Succeeded" or _ended_by_itself(pod, terminated):
        return WorkloadOutcome.failed(
            FailureKind.INTERNAL,
            f"{pod_failures.describe_exit(terminated, 'the sandbox')}, without reporting an outcome",
        )
    return None


def _ended_by_itself(pod: Manifest, terminated: Manifest) -> bool:
    status = pod.get("status", {})
    is_over = status.get("phase") == "Failed" and pod_status.started_at({"terminated": terminated}) is not None
    was_interrupted = pod_failures.describe_disruption(pod) is not None
    return is_over and not was_interrupted and terminated.get("exitCode") != _SIGTERM_EXIT_CODE


def _parse(message: str | None) -> WorkloadOutcome | None:
    try:
        return WorkloadOutcome.from_json(json.loads(message)) if message else None
    except (ValueError, RecursionError):
        return None

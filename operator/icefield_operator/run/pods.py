"""Pure: from the pod of an attempt to the attempt's status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds import AttemptStatus, RunStatus, TaskPhase, labels
from icefield_crds.names import TASK_CONTAINER
from icefield_kube.client import Manifest
from icefield_operator import pod_failures, pod_status

from .dag import Stop


@dataclass(frozen=True)
class ObservationContext:
    """What the pod itself does not show."""

    stop: Stop | None
    """Why the run is being ended, if it is."""
    run_timeout: int | None
    """The run's timeoutSeconds."""
    task_timeout: int | None
    """The task's timeoutSeconds."""
    now: datetime


@dataclass(frozen=True)
class PodObserver:
    """Reads the status of attempts off their pods; a type of run that knows more of them extends it."""

    waiting_message: str | None = None
    """What the attempt waits for though its pod runs."""
    reads_termination_message: bool = False
    """Whether the program in the pod is ours and leaves its error as the container's termination message."""

    def observe(self, pod: Manifest, recorded: AttemptStatus | None, context: ObservationContext) -> AttemptStatus:
        """Return the status of the attempt that this pod runs.

        Args:
            pod: the pod.
            recorded: the attempt's last written status.
            context: what is known from elsewhere.
        """
        state = _container_state(pod)
        ran = state.get("terminated") or state.get("running") or {}
        return self.observe_started(pod, pod_status.time_of(ran.get("startedAt")), recorded, context)

    def observe_started(
        self, pod: Manifest, start_time: datetime | None, recorded: AttemptStatus | None, context: ObservationContext
    ) -> AttemptStatus:
        """Return the status of an attempt whose work started at this time, which need not be its container's."""
        state = _container_state(pod)
        attempt = AttemptStatus(
            attempt=attempt_of(pod)[1],
            pod_name=pod["metadata"]["name"],
            pod_uid=pod["metadata"]["uid"],
            status=TaskPhase.PENDING,
            start_time=start_time,
            logs_archived=recorded.logs_archived if recorded else False,
        )
        phase = pod.get("status", {}).get("phase", "Pending")
        if phase == "Succeeded" or _surely_succeeded(pod, state):
            return _ended(attempt, state, TaskPhase.SUCCESS, None, context)
        if phase == "Failed":
            outcome, error = self._failure(pod, state, recorded, context)
            return _ended(attempt, state, outcome, error, context)
        if attempt.start_time:
            return attempt.model_copy(update={"status": TaskPhase.RUNNING, "error": self.waiting_message})
        return attempt.model_copy(update={"error": pod_failures.describe_waiting(pod) or self.waiting_message})

    def observe_missing(self, recorded: AttemptStatus, context: ObservationContext) -> AttemptStatus:
        """Return the status of an attempt whose pod is gone, its end not observed."""
        outcome, error = TaskPhase.FAILED, "the pod was deleted while the task was " + recorded.status.value
        if context.stop is Stop.CANCELLED:
            outcome, error = TaskPhase.CANCELLED, ""
        elif context.stop is Stop.TIMED_OUT:
            error = _run_timeout(context) + (f"; until then: {recorded.error}" if recorded.error else "")
        return recorded.model_copy(update={"status": outcome, "error": error or None, "completion_time": context.now})

    def complete(self, status: RunStatus) -> RunStatus:
        """Return the Run's status with what only this type of run reports."""
        return status

    def _failure(
        self, pod: Manifest, state: Manifest, recorded: AttemptStatus | None, context: ObservationContext
    ) -> tuple[TaskPhase, str | None]:
        terminated = state.get("terminated") or {}
        if pod["status"].get("reason") == pod_failures.DEADLINE_EXCEEDED:
            return _deadline(pod, bool(terminated.get("startedAt")), recorded, context)
        if killed := pod_failures.describe_oom_kill(pod, TASK_CONTAINER, terminated, "the task"):
            return TaskPhase.FAILED, killed
        if context.stop is Stop.CANCELLED:
            return TaskPhase.CANCELLED, None
        if disrupted := pod_failures.describe_disruption(pod):
            return TaskPhase.FAILED, disrupted
        if terminated.get("startedAt"):
            message = terminated.get("message") if self.reads_termination_message else None
            own = pod_failures.truncate(message) if message else pod_failures.describe_exit(terminated, "the command")
            return TaskPhase.FAILED, own
        unprepared = pod_failures.describe_preparation_failure(pod)
        return TaskPhase.FAILED, unprepared or "the pod ended before the task could start"


def attempt_of(pod: Manifest) -> tuple[str, int]:
    """Return (task key, number of the attempt) that a task pod runs."""
    found = pod["metadata"]["labels"]
    return found[labels.TASK], int(found[labels.ATTEMPT])


def _container_state(pod: Manifest) -> Manifest:
    return pod_status.container_status(pod, TASK_CONTAINER).get("state") or {}


def _ended(
    attempt: AttemptStatus, state: Manifest, outcome: TaskPhase, error: str | None, context: ObservationContext
) -> AttemptStatus:
    terminated = state.get("terminated") or {}
    ran = attempt.start_time is not None
    return attempt.model_copy(
        update={
            "status": outcome,
            "completion_time": (pod_status.time_of(terminated.get("finishedAt")) if ran else None) or context.now,
            "exit_code": terminated.get("exitCode") if ran else None,
            "error": error,
        }
    )


def _deadline(
    pod: Manifest, started: bool, recorded: AttemptStatus | None, context: ObservationContext
) -> tuple[TaskPhase, str | None]:
    if context.stop is Stop.CANCELLED:
        return TaskPhase.CANCELLED, None
    if context.stop is Stop.TIMED_OUT:
        return TaskPhase.FAILED, _run_timeout(context)
    before = recorded.error if recorded else None
    if not started:
        return TaskPhase.FAILED, before or "the task could not be started within its timeout"
    limit = pod["spec"].get("activeDeadlineSeconds")
    if context.task_timeout is not None and limit == context.task_timeout:
        return TaskPhase.FAILED, f"the task took longer than its timeout of {context.task_timeout} s"
    if context.run_timeout is not None:
        return TaskPhase.FAILED, _run_timeout(context)
    return TaskPhase.FAILED, before or "the pod was ended by its deadline"


def _run_timeout(context: ObservationContext) -> str:
    return f"the run took longer than its timeout of {context.run_timeout} s"


def _surely_succeeded(pod: Manifest, state: Manifest) -> bool:
    """Return whether the process succeeded before any deadline: the pod's phase follows some moments later."""
    terminated = state.get("terminated") or {}
    if terminated.get("exitCode") != 0 or not terminated.get("startedAt"):
        return False
    limit, started = pod["spec"].get("activeDeadlineSeconds"), pod_status.time_of(pod["status"].get("startTime"))
    if limit is None:
        return True
    finished = pod_status.time_of(terminated.get("finishedAt"))
    return started is not None and finished is not None and finished < started + timedelta(seconds=limit)

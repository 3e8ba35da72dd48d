"""Pure: what one task pod says about the attempt that it runs, in words for the run's owner.

Sources: kubernetes/kubernetes v1.34, pkg/kubelet/active_deadline.go (DeadlineExceeded), pkg/kubelet/eviction (Evicted).
What it waits for before it starts, waiting.py says.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds import AttemptStatus, PolarsOutcome, TaskPhase, labels
from icefield_crds.names import TASK_CONTAINER
from icefield_operator import waiting
from icefield_operator.world import Manifest

from .dag import Stop


@dataclass(frozen=True)
class Told:
    """What is known of the one attempt of a run beside what its pod says."""

    is_brought: bool = False
    """Whether its work is brought to the pod: it begins then, and not with the container."""
    begun: datetime | None = None
    """When the work was brought; None before."""
    ended: TaskPhase | None = None
    """How it ended, when that is known before the kubelet tells."""
    error: str | None = None
    """Why it failed."""
    exit_code: int | None = None
    """What its process ends with."""
    waits: str | None = None
    """What it waits for though it runs."""
    polars: PolarsOutcome | None = None
    """What a Polars workload came to."""


@dataclass(frozen=True)
class Context:
    """What the pod itself does not know."""

    stop: Stop | None
    """Why the run is being ended, if it is."""
    run_timeout: int | None
    """The run's timeoutSeconds."""
    task_timeout: int | None
    """The task's timeoutSeconds."""
    now: datetime
    speaks: bool = False
    """Whether the program in the pod is ours and leaves its error as the container's termination message."""
    told: Told | None = None


def attempt_of(pod: Manifest) -> tuple[str, int]:
    """Return (task key, number of the attempt) that a task pod runs."""
    found = pod["metadata"]["labels"]
    return found[labels.TASK], int(found[labels.ATTEMPT])


def observe(pod: Manifest, recorded: AttemptStatus | None, context: Context) -> AttemptStatus:
    """Return how the attempt of this pod stands.

    Args:
        pod: the pod.
        recorded: what was written down about this attempt before.
        context: what is known from elsewhere.
    """
    state = waiting.container_status(pod, TASK_CONTAINER).get("state") or {}
    ran = state.get("terminated") or state.get("running") or {}
    attempt = AttemptStatus(
        attempt=attempt_of(pod)[1],
        pod_name=pod["metadata"]["name"],
        pod_uid=pod["metadata"]["uid"],
        status=TaskPhase.PENDING,
        start_time=waiting.time_of(ran.get("startedAt")),
        logs_archived=recorded.logs_archived if recorded else False,
    )
    if context.told is not None and context.told.is_brought:
        begun = (recorded.start_time if recorded else None) or context.told.begun
        attempt = attempt.model_copy(update={"start_time": begun})
        if context.told.ended is not None:
            return _as_told(attempt, context.told, context.told.ended, context.now)
    waits = context.told.waits if context.told else None
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Succeeded" or _surely_succeeded(pod, state):
        return _ended(attempt, state, TaskPhase.SUCCESS, None, context)
    if phase == "Failed":
        outcome, error = _failure(pod, state, recorded, context)
        return _ended(attempt, state, outcome, error, context)
    if attempt.start_time:
        return attempt.model_copy(update={"status": TaskPhase.RUNNING, "error": waits})
    return attempt.model_copy(update={"error": waiting.message(pod) or waits})


def vanished(recorded: AttemptStatus, context: Context) -> AttemptStatus:
    """Return how an attempt ended whose pod is gone, when nobody saw it end."""
    if context.told is not None and context.told.ended is not None:
        return _as_told(recorded, context.told, context.told.ended, context.now)
    outcome, error = TaskPhase.FAILED, "the pod was deleted while the task was " + recorded.status.value
    if context.stop is Stop.CANCELLED:
        outcome, error = TaskPhase.CANCELLED, ""
    elif context.stop is Stop.TIMED_OUT:
        error = _run_timeout(context) + (f"; until then: {recorded.error}" if recorded.error else "")
    return recorded.model_copy(update={"status": outcome, "error": error or None, "completion_time": context.now})


def _as_told(attempt: AttemptStatus, told: Told, ended: TaskPhase, now: datetime) -> AttemptStatus:
    return attempt.model_copy(
        update={
            "status": ended,
            "start_time": attempt.start_time or told.begun or now,
            "completion_time": now,
            "exit_code": told.exit_code,
            "error": told.error,
        }
    )


def _ended(
    attempt: AttemptStatus, state: Manifest, outcome: TaskPhase, error: str | None, context: Context
) -> AttemptStatus:
    terminated = state.get("terminated") or {}
    ran = attempt.start_time is not None
    return attempt.model_copy(
        update={
            "status": outcome,
            "completion_time": (waiting.time_of(terminated.get("finishedAt")) if ran else None) or context.now,
            "exit_code": terminated.get("exitCode") if ran else None,
            "error": error,
        }
    )


def _failure(
    pod: Manifest, state: Manifest, recorded: AttemptStatus | None, context: Context
) -> tuple[TaskPhase, str | None]:
    status, terminated = pod["status"], state.get("terminated") or {}
    reason = status.get("reason") or ""
    if reason == "DeadlineExceeded":
        return _deadline(pod, bool(terminated.get("startedAt")), recorded, context)
    if terminated.get("reason") == "OOMKilled":
        limit = pod["spec"]["containers"][0].get("resources", {}).get("limits", {}).get("memory", "its limit")
        return TaskPhase.FAILED, f"the task ran out of memory (limit {limit})"
    if context.stop is Stop.CANCELLED:
        return TaskPhase.CANCELLED, None
    if reason:
        return TaskPhase.FAILED, waiting.cut(
            f"the pod was ended by the cluster ({reason}): {status.get('message', '')}".rstrip(": ")
        )
    if (disrupted := waiting.condition(pod, "DisruptionTarget")).get("status") == "True":
        return TaskPhase.FAILED, waiting.cut(f"the pod was ended by the cluster: {disrupted.get('message', '')}")
    if terminated.get("startedAt"):
        said = terminated.get("message") if context.speaks else None
        return TaskPhase.FAILED, waiting.cut(said) if said else _exit_message(terminated)
    return TaskPhase.FAILED, waiting.cut(_init_failure(status) or "the pod ended before the task could start")


def _deadline(
    pod: Manifest, started: bool, recorded: AttemptStatus | None, context: Context
) -> tuple[TaskPhase, str | None]:
    if context.stop is Stop.CANCELLED:
        return TaskPhase.CANCELLED, None
    if context.stop is Stop.TIMED_OUT:
        return TaskPhase.FAILED, _run_timeout(context)
    told = recorded.error if recorded else None
    if not started:
        return TaskPhase.FAILED, told or "the task could not be started within its timeout"
    limit = pod["spec"].get("activeDeadlineSeconds")
    if context.task_timeout is not None and limit == context.task_timeout:
        return TaskPhase.FAILED, f"the task took longer than its timeout of {context.task_timeout} s"
    if context.run_timeout is not None:
        return TaskPhase.FAILED, _run_timeout(context)
    return TaskPhase.FAILED, told or "the pod was ended by its deadline"


def _run_timeout(context: Context) -> str:
    return f"the run took longer than its timeout of {context.run_timeout} s"


def _exit_message(terminated: Manifest) -> str:
    """A shell, and tini, report a process that a signal killed as 128 + the signal's number."""
    code = terminated.get("exitCode", 0)
    killed = next((f" (killed by {s.name})" for s in signal.Signals if code == 128 + s), "")
    return f"the command failed with exit code {code}{killed}"


def _init_failure(status: Manifest) -> str | None:
    for container in status.get("initContainerStatuses") or []:
        terminated = container.get("state", {}).get("terminated") or {}
        if terminated.get("exitCode"):
            return f"the pod could not be prepared: {terminated.get('message') or terminated.get('reason')}"
    return None


def _surely_succeeded(pod: Manifest, state: Manifest) -> bool:
    """Say whether the process ended well before any deadline: the pod's phase follows some moments later."""
    terminated = state.get("terminated") or {}
    if terminated.get("exitCode") != 0 or not terminated.get("startedAt"):
        return False
    limit, begun = pod["spec"].get("activeDeadlineSeconds"), waiting.time_of(pod["status"].get("startTime"))
    if limit is None:
        return True
    finished = waiting.time_of(terminated.get("finishedAt"))
    return begun is not None and finished is not None and finished < begun + timedelta(seconds=limit)

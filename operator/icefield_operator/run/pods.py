"""Pure: what one task pod says about the attempt that it runs, in words for the run's owner.

Sources: kubernetes/kubernetes v1.34, pkg/kubelet/images/types.go (image reasons), pkg/kubelet/kuberuntime (container
reasons), pkg/kubelet/active_deadline.go (DeadlineExceeded), pkg/kubelet/eviction (Evicted).
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from icefield_crds import AttemptStatus, TaskPhase, labels
from icefield_crds.names import TASK_CONTAINER
from icefield_operator.world import Manifest

from .dag import Stop

PATIENCE = timedelta(minutes=5)
"""How long a scheduled pod may fail to start its container (a registry, a Secret may come back) before we end it."""

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "ImageInspectError", "RegistryUnavailable", *_HOPELESS})
_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PULL_NOISE = re.compile(r'^Back-off pulling image "[^"]*"(: (?=\S)|$)|ErrImagePull: |rpc error: code = \w+ desc = ')
_LIMIT = 1000


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
    state = _container_state(pod)
    ran = state.get("terminated") or state.get("running") or {}
    attempt = AttemptStatus(
        attempt=attempt_of(pod)[1],
        pod_name=pod["metadata"]["name"],
        pod_uid=pod["metadata"]["uid"],
        status=TaskPhase.PENDING,
        start_time=_time(ran.get("startedAt")),
        logs_archived=recorded.logs_archived if recorded else False,
    )
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Succeeded" or _surely_succeeded(pod, state):
        return _ended(attempt, state, TaskPhase.SUCCESS, None, context)
    if phase == "Failed":
        outcome, error = _failure(pod, state, recorded, context)
        return _ended(attempt, state, outcome, error, context)
    if attempt.start_time:
        return attempt.model_copy(update={"status": TaskPhase.RUNNING})
    return attempt.model_copy(update={"error": waiting_message(pod)})


def vanished(recorded: AttemptStatus, context: Context) -> AttemptStatus:
    """Return how an attempt ended whose pod is gone, when nobody saw it end."""
    outcome, error = TaskPhase.FAILED, "the pod was deleted while the task was " + recorded.status.value
    if context.stop is Stop.CANCELLED:
        outcome, error = TaskPhase.CANCELLED, ""
    elif context.stop is Stop.TIMED_OUT:
        error = _run_timeout(context) + (f"; until then: {recorded.error}" if recorded.error else "")
    return recorded.model_copy(update={"status": outcome, "error": error or None, "completion_time": context.now})


def give_up_time(pod: Manifest) -> datetime | None:
    """Return when to stop waiting for a pod's container to start; None while nothing is wrong with it."""
    reason, _ = _waiting(pod)
    if reason not in _PULL | _CONTAINER or pod.get("status", {}).get("phase") != "Pending":
        return None
    began = _time(_condition(pod, "PodScheduled").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if began is None:
        return None
    return began if reason in _HOPELESS else began + PATIENCE


def waiting_message(pod: Manifest) -> str | None:
    """Return what a pending pod waits for, when that is worth telling."""
    reason, message = _waiting(pod)
    if reason in _PULL:
        return _cut(_pull_message(pod, reason, message))
    if reason in _CONTAINER:
        return _cut(f"the container cannot be started: {message or reason}")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return _cut(f"waiting for room in the cluster: {_why_unschedulable(scheduled.get('message', ''))}")
    return None


def _why_unschedulable(message: str) -> str:
    """Leave out what the scheduler says of preemption and resource claims: it is not about this pod's own needs."""
    return message.split(" no new claims")[0].split(" preemption:")[0].rstrip(" ,")


def _pull_message(pod: Manifest, reason: str, message: str) -> str:
    image = next((c["image"] for c in pod["spec"]["containers"] if c["name"] == TASK_CONTAINER), "?")
    if reason == "InvalidImageName":
        return f'"{image}" is not a valid image name'
    detail = _PULL_NOISE.sub("", message).strip()
    return f"image {image} cannot be pulled" + (f": {detail}" if detail else "")


def _ended(
    attempt: AttemptStatus, state: Manifest, outcome: TaskPhase, error: str | None, context: Context
) -> AttemptStatus:
    terminated = state.get("terminated") or {}
    ran = attempt.start_time is not None
    return attempt.model_copy(
        update={
            "status": outcome,
            "completion_time": (_time(terminated.get("finishedAt")) if ran else None) or context.now,
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
        return TaskPhase.FAILED, _cut(
            f"the pod was ended by the cluster ({reason}): {status.get('message', '')}".rstrip(": ")
        )
    if (disrupted := _condition(pod, "DisruptionTarget")).get("status") == "True":
        return TaskPhase.FAILED, _cut(f"the pod was ended by the cluster: {disrupted.get('message', '')}")
    if terminated.get("startedAt"):
        return TaskPhase.FAILED, _exit_message(terminated)
    return TaskPhase.FAILED, _cut(_init_failure(status) or "the pod ended before the task could start")


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
    limit, begun = pod["spec"].get("activeDeadlineSeconds"), _time(pod["status"].get("startTime"))
    if limit is None:
        return True
    finished = _time(terminated.get("finishedAt"))
    return begun is not None and finished is not None and finished < begun + timedelta(seconds=limit)


def _container_state(pod: Manifest) -> Manifest:
    for container in pod.get("status", {}).get("containerStatuses") or []:
        if container["name"] == TASK_CONTAINER:
            state: Manifest = container.get("state") or {}
            return state
    return {}


def _waiting(pod: Manifest) -> tuple[str, str]:
    status = pod.get("status", {})
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _PULL | _CONTAINER:
            return waiting["reason"], waiting.get("message", "")
    return "", ""


def _condition(pod: Manifest, type_: str) -> dict[str, Any]:
    found = (c for c in pod.get("status", {}).get("conditions") or [] if c["type"] == type_)
    return next(found, {})


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"

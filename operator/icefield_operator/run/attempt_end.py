"""Pure: whether and how an attempt ended, read off its pod.

The container's own end decides, even while something injected beside it (a service mesh's proxy) keeps the pod running.
What the cluster does to a pod is a disruption, told apart from what the task did itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from icefield_crds import AttemptStatus, TaskPhase
from icefield_crds.names import TASK_CONTAINER
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures, pod_status

from .dag import Stop

PHASE_DELAY = timedelta(seconds=3)
"""How much later than the end of its containers the kubelet reports a pod's phase, and why it ended it."""

START_NOT_KNOWN = "the operator was interrupted while it started the task; whether the task ran is not known"

_KILLED = frozenset({128 + 9, 128 + 15})
"""Exit codes after SIGKILL and SIGTERM, which a kubelet sends that ends a pod."""


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
    start_problems: Mapping[str, str] = field(default_factory=dict)
    """What keeps pods from starting that only events tell, by the pod's uid."""
    last_seen: Mapping[str, Manifest] = field(default_factory=dict)
    """Pods that are gone, as they were last seen, by their uid."""


class AttemptEnd(NamedTuple):
    """How an attempt ended."""

    status: TaskPhase
    error: str | None = None
    disrupted: bool = False
    """Whether the cluster ended it, rather than the task itself or a request of ours."""


def end_of(
    pod: Manifest, recorded: AttemptStatus | None, context: ObservationContext, *, reads_termination_message: bool
) -> AttemptEnd | None:
    """Return how the attempt in a pod ended; None while it has not.

    Args:
        pod: the pod.
        recorded: the attempt's last written status.
        context: what is known from elsewhere.
        reads_termination_message: whether the program leaves its error as the container's termination message.
    """
    terminated = terminated_state(pod)
    if pod_status.phase_of(pod) == "Succeeded" or _succeeded(pod, terminated):
        return AttemptEnd(TaskPhase.SUCCESS)
    own_end = own_end_time(pod)
    if pod_status.has_ended(pod) or (own_end is not None and own_end <= context.now):
        return _failure(pod, terminated, recorded, context, reads_termination_message)
    loss = lost_pods.loss_time(pod)
    return _loss(pod, recorded, context) if loss is not None and loss <= context.now else None


def terminated_state(pod: Manifest) -> Manifest:
    """Return the `state.terminated` of the task's container; empty while it has not ended."""
    return pod_status.container_state(pod, TASK_CONTAINER).get("terminated") or {}


def own_end_time(pod: Manifest) -> datetime | None:
    """Return from when the end of the task's container counts though its pod has not ended; None while it runs.

    Whoever ends a pod ends all of its containers, in the grace period, and only then reports why.
    """
    terminated = terminated_state(pod)
    finished = pod_status.time_of(terminated.get("finishedAt"))
    if finished is None or pod_status.has_ended(pod):
        return None
    if pod_failures.describe_oom_kill(pod, TASK_CONTAINER, terminated, "the task"):
        return finished
    was_killed = terminated.get("exitCode") in _KILLED or pod_failures.lost_container(terminated)
    return finished + PHASE_DELAY + (lost_pods.grace_period(pod) if was_killed else timedelta(0))


def _succeeded(pod: Manifest, terminated: Manifest) -> bool:
    """Return whether the process succeeded before any deadline: the pod's phase follows later."""
    if terminated.get("exitCode") != 0 or not pod_status.started_at({"terminated": terminated}):
        return False
    return not _ended_by_deadline(pod, terminated)


def _ended_by_deadline(pod: Manifest, terminated: Manifest) -> bool:
    if pod["status"].get("reason") == pod_failures.DEADLINE_EXCEEDED:
        return True
    due, finished = lost_pods.deadline(pod), pod_status.time_of(terminated.get("finishedAt"))
    # The kubelet says so itself, unless it had not answered and the pod was deleted meanwhile.
    is_silent = not pod_status.has_ended(pod) or "deletionTimestamp" in pod["metadata"]
    return is_silent and due is not None and (finished is None or finished >= due)


def _failure(
    pod: Manifest,
    terminated: Manifest,
    recorded: AttemptStatus | None,
    context: ObservationContext,
    reads_termination_message: bool,
) -> AttemptEnd:
    started = pod_status.started_at({"terminated": terminated})
    if _ended_by_deadline(pod, terminated):
        return _deadline(pod, started is not None, recorded, context)
    if killed := pod_failures.describe_oom_kill(pod, TASK_CONTAINER, terminated, "the task"):
        return AttemptEnd(TaskPhase.FAILED, killed)
    if context.stop is Stop.CANCELLED:
        return AttemptEnd(TaskPhase.CANCELLED)
    if pod_failures.exceeded_local_storage(pod):
        message = pod["status"].get("message") or ""
        return AttemptEnd(TaskPhase.FAILED, pod_failures.truncate(f"the task used too much local storage: {message}"))
    if disrupted := _describe_disruption(pod, terminated, recorded):
        return AttemptEnd(TaskPhase.FAILED, disrupted, disrupted=True)
    if started:
        message = terminated.get("message") if reads_termination_message else None
        described = pod_failures.describe_failed_program(terminated, "the command")
        return AttemptEnd(TaskPhase.FAILED, pod_failures.truncate(message) if message else described)
    unprepared = pod_failures.describe_start_failure(terminated) or pod_failures.describe_preparation_failure(pod)
    return AttemptEnd(TaskPhase.FAILED, unprepared or "the pod ended before the task could start")


def _describe_disruption(pod: Manifest, terminated: Manifest, recorded: AttemptStatus | None) -> str | None:
    """Return what the cluster, or somebody in it, did to the pod; None when the task ended by itself."""
    finished = pod_status.time_of(terminated.get("finishedAt"))
    if pod_failures.was_disrupted(pod, finished):
        return pod_failures.describe_disruption(pod)
    began = pod_status.started_at({"terminated": terminated}) or (recorded and recorded.start_time)
    if began and pod_failures.lost_container(terminated):
        return f"node {lost_pods.node_of(pod)} restarted while the task ran"
    deletion = lost_pods.deletion_request_time(pod)
    # The clock of a node may be behind.
    if deletion and (finished is None or finished >= deletion or terminated.get("exitCode") in _KILLED):
        return "the pod was deleted while the task was running" if began else "the pod was deleted"
    return None


def _loss(pod: Manifest, recorded: AttemptStatus | None, context: ObservationContext) -> AttemptEnd:
    lost = lost_pods.describe_loss(pod)
    if context.stop is Stop.CANCELLED:
        return AttemptEnd(TaskPhase.CANCELLED, lost)
    due = lost_pods.deadline(pod)
    if context.stop is Stop.TIMED_OUT or (due is not None and due <= context.now):
        started = recorded is not None and recorded.start_time is not None
        if recorded is not None and recorded.error == lost_pods.describe_unresponsive(pod, context.now):
            recorded = recorded.model_copy(update={"error": None})
        ended = _deadline(pod, started, recorded, context)
        return ended._replace(error=pod_failures.truncate(f"{ended.error}; {lost}"))
    return AttemptEnd(TaskPhase.FAILED, lost, disrupted=True)


def gone_end(
    last: Manifest | None,
    recorded: AttemptStatus,
    context: ObservationContext,
    *,
    reads_termination_message: bool,
) -> AttemptEnd:
    """Return how an attempt ended whose pod is gone.

    Args:
        last: the pod as it was last seen; None when that is not known.
        recorded: the attempt's last written status.
        context: what is known from elsewhere.
        reads_termination_message: as for `end_of`.
    """
    if last is not None and (terminated := terminated_state(last)):
        return _failure(last, terminated, recorded, context, reads_termination_message)
    if context.stop is Stop.CANCELLED:
        return AttemptEnd(TaskPhase.CANCELLED)
    if context.stop is Stop.TIMED_OUT:
        until = f"; until then: {recorded.error}" if recorded.error else ""
        return AttemptEnd(TaskPhase.FAILED, run_timeout_message(context) + until)
    due = lost_pods.deadline(last) if last is not None else None
    if last is not None and due is not None and due <= context.now:
        return _deadline(last, recorded.start_time is not None, recorded, context)
    if last is None and recorded.pod_uid is None:
        return AttemptEnd(TaskPhase.FAILED, START_NOT_KNOWN, disrupted=True)
    why = pod_failures.describe_disruption(last) if last is not None else None
    error = why or f"the pod was deleted while the task was {recorded.status.value}"
    return AttemptEnd(TaskPhase.FAILED, error, disrupted=True)


def _deadline(pod: Manifest, started: bool, recorded: AttemptStatus | None, context: ObservationContext) -> AttemptEnd:
    before = recorded.error if recorded else None
    if context.stop is Stop.CANCELLED:
        return AttemptEnd(TaskPhase.CANCELLED)
    if context.stop is Stop.TIMED_OUT:
        return AttemptEnd(TaskPhase.FAILED, run_timeout_message(context))
    limit = pod["spec"].get("activeDeadlineSeconds")
    is_task_timeout = context.task_timeout is not None and limit == context.task_timeout
    if not started:
        return AttemptEnd(TaskPhase.FAILED, _never_started(is_task_timeout, before, context))
    if is_task_timeout:
        return AttemptEnd(TaskPhase.FAILED, f"the task took longer than its timeout of {context.task_timeout} s")
    if context.run_timeout is not None:
        return AttemptEnd(TaskPhase.FAILED, run_timeout_message(context))
    return AttemptEnd(TaskPhase.FAILED, before or "the pod was ended by its deadline")


def _never_started(is_task_timeout: bool, before: str | None, context: ObservationContext) -> str:
    if not is_task_timeout:
        return before or "the task could not be started within its timeout"
    message = f"the task could not be started within its timeout of {context.task_timeout} s"
    return pod_failures.truncate(f"{message}; until then: {before}") if before else message


def run_timeout_message(context: ObservationContext) -> str:
    """Return the message of an attempt that the timeout of its run ended."""
    return f"the run took longer than its timeout of {context.run_timeout} s"

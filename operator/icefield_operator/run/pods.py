"""Pure: from the pod of an attempt to the attempt's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from icefield_crds import AttemptStatus, RunStatus, TaskPhase, labels
from icefield_crds.names import TASK_CONTAINER
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures, pod_status

from . import attempt_end
from .attempt_end import AttemptEnd, ObservationContext

COUNTS_AS_FAILURE = "the work may have begun, so this counts as a failure"


@dataclass(frozen=True)
class PodObserver:
    """Reads the status of attempts off their pods; a type of run that knows more of them extends it."""

    waiting_message: str | None = None
    """What the attempt waits for though its pod runs."""
    reads_termination_message: bool = False
    """Whether the program in the pod is ours and leaves its error as the container's termination message."""
    restarts_begun_work: bool = True
    """Whether work that had begun when the cluster ended it may be started again: False where what it wrote may
    exist. Its end then counts as a failure."""

    def observe(self, pod: Manifest, recorded: AttemptStatus | None, context: ObservationContext) -> AttemptStatus:
        """Return the status of the attempt that this pod runs.

        Args:
            pod: the pod.
            recorded: the attempt's last written status.
            context: what is known from elsewhere.
        """
        before = recorded.start_time if recorded else None
        state = pod_status.container_state(pod, TASK_CONTAINER)
        return self.observe_started(pod, before or pod_status.started_at(state), recorded, context)

    def observe_started(
        self, pod: Manifest, start_time: datetime | None, recorded: AttemptStatus | None, context: ObservationContext
    ) -> AttemptStatus:
        """Return the status of an attempt whose work started at this time, which need not be its container's."""
        attempt = AttemptStatus(
            attempt=attempt_of(pod)[1],
            pod_name=pod["metadata"]["name"],
            pod_uid=pod["metadata"]["uid"],
            status=TaskPhase.PENDING,
            start_time=start_time,
            logs_archived=recorded.logs_archived if recorded else False,
            logs_complete=recorded.logs_complete if recorded else None,
            logs_start_unknown=recorded.logs_start_unknown if recorded else False,
        )
        ended = attempt_end.end_of(pod, recorded, context, reads_termination_message=self.reads_termination_message)
        if ended is not None:
            return self._ended(attempt, pod, ended, context)
        unresponsive = lost_pods.describe_unresponsive(pod, context.now)
        if attempt.start_time:
            error = unresponsive or self.describe_restart(pod, recorded) or self.waiting_message
            return attempt.model_copy(update={"status": TaskPhase.RUNNING, "error": error})
        problem = context.start_problems.get(pod["metadata"]["uid"])
        waits = pod_failures.describe_waiting(pod) or problem
        if waits:
            waits = f"{waits}{pod_failures.describe_patience(pod, problem)}"
        return attempt.model_copy(update={"error": waits or unresponsive or self.waiting_message})

    def observe_missing(self, recorded: AttemptStatus, context: ObservationContext) -> AttemptStatus:
        """Return the status of an attempt whose pod is gone, its end not recorded."""
        gone = context.last_seen.values()
        same = "name" if recorded.pod_uid is None else "uid"
        last = next((pod for pod in gone if pod["metadata"][same] == (recorded.pod_uid or recorded.pod_name)), None)
        attempt = self.observe(last, recorded, context) if last is not None else recorded
        if attempt.status.is_terminal:
            return attempt
        end = attempt_end.gone_end(last, recorded, context, reads_termination_message=self.reads_termination_message)
        # Whether a process that was not seen to start, or to end, did so later is not known.
        seen_to_end = last if last is not None and attempt_end.terminated_state(last) else None
        return self._ended(attempt, seen_to_end, end, context)

    def due(self, run_pods: Sequence[Manifest], now: datetime) -> datetime | None:
        """Return when the attempts of these pods have to be looked at again though nothing changes, later than now."""
        return None

    def complete(self, status: RunStatus) -> RunStatus:
        """Return the Run's status with what only this type of run reports."""
        return status

    def describe_restart(self, pod: Manifest, recorded: AttemptStatus | None) -> str | None:
        """Return that the kubelet started the work once more: it knew nothing of it after its node had restarted."""
        before, state = recorded.start_time if recorded else None, pod_status.container_state(pod, TASK_CONTAINER)
        if before is None or not state:
            return None
        started, node = pod_status.started_at(state), lost_pods.node_of(pod)
        if started is None and "waiting" in state:
            return f"node {node} restarted while the task ran; the task begins again"
        return (
            f"node {node} restarted while the task ran; the task began again" if started and started > before else None
        )

    def may_have_begun(self, attempt: AttemptStatus, pod: Manifest | None) -> bool:
        """Return whether the work of an attempt may have begun; `pod` is None when it is gone, its end not observed."""
        return attempt.start_time is not None or pod is None

    def _ended(
        self, attempt: AttemptStatus, pod: Manifest | None, end: AttemptEnd, context: ObservationContext
    ) -> AttemptStatus:
        disrupted, error = end.disrupted, end.error
        if disrupted and not self.restarts_begun_work and self.may_have_begun(attempt, pod):
            disrupted, error = False, pod_failures.truncate(f"{error}; {COUNTS_AS_FAILURE}")
        ran = attempt.start_time is not None
        terminated = attempt_end.terminated_state(pod) if pod else {}
        return attempt.model_copy(
            update={
                "status": end.status,
                "completion_time": (pod_status.time_of(terminated.get("finishedAt")) if ran else None) or context.now,
                "exit_code": terminated.get("exitCode") if ran else None,
                "error": error,
                "disrupted": disrupted,
            }
        )


def attempt_of(pod: Manifest) -> tuple[str, int]:
    """Return (task key, number of the attempt) that a task pod runs."""
    found = pod["metadata"]["labels"]
    return found[labels.TASK], int(found[labels.ATTEMPT])

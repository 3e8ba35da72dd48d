"""Pure: from the target state of a Warehouse, its pod and its gateway to its status and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from icefield_crds import ConditionType, Reason, Warehouse, WarehousePhase, WarehouseStatus, merge_conditions
from icefield_crds.warehouse import DrainingPod
from icefield_crds.wire.gateway import GatewayStatus
from icefield_operator.problem import Problem

from .desired_state import TargetState, wake_of
from .pod_plan import Draining
from .pods import ObservedPod, describe_lost_node


@dataclass(frozen=True)
class Observed:
    """What is observed of a warehouse."""

    pod: ObservedPod | None
    """The pod that takes new statements, or will when it is ready."""
    answer: GatewayStatus | None
    """The status of its gateway; None when it was not queried or did not answer."""
    successor: ObservedPod | None = None
    """The pod that replaces it as soon as it is ready."""
    draining: tuple[Draining, ...] = ()
    deleting: tuple[Draining, ...] = ()

    @property
    def is_ended(self) -> bool:
        """Whether no pod is left; one that cannot be ended does not count."""
        return self.pod is None and all(each.pod.is_stuck for each in self.deleting)


def of(
    warehouse: Warehouse, wanted: TargetState, observed: Observed, problem: Problem | None, now: datetime
) -> WarehouseStatus:
    """Return the status of a warehouse.

    Args:
        warehouse: the Warehouse with its last written status.
        wanted: whether it should run.
        observed: its pod and its gateway.
        problem: what keeps it from running, if anything.
        now: the present.
    """
    before, pod, answer = warehouse.status or WarehouseStatus(), observed.pod, observed.answer
    phase = _phase(wanted, observed, problem)
    spark_ready = _spark_ready(before, pod, answer) and phase is WarehousePhase.RUNNING
    error = _error(phase, observed, problem)
    wake = wake_of(warehouse, now)
    became_running = phase is WarehousePhase.RUNNING and before.phase is not WarehousePhase.RUNNING
    return WarehouseStatus(
        observed_generation=warehouse.metadata.generation,
        conditions=merge_conditions(
            before.conditions,
            _conditions(warehouse, wanted, observed, phase, problem, error, spark_ready),
            generation=warehouse.metadata.generation,
            now=now,
        ),
        phase=phase,
        endpoint=_endpoint(observed, phase),
        spark_ready=spark_ready,
        pod_name=pod.name if pod else None,
        draining_pods=[
            DrainingPod(pod_name=each.pod.name, endpoint=each.pod.endpoint, start_time=each.start_time)
            for each in (*observed.draining, *observed.deleting)
            if each.pod is not pod and not (each.pod.is_stuck or each.pod.node_is_lost)
        ],
        start_time=now if became_running else before.start_time,
        stop_time=wanted.stop_time,
        wake_time=wake or before.wake_time,
        last_activity_time=answer.last_activity if answer else before.last_activity_time,
        error=error,
    )


def _phase(wanted: TargetState, observed: Observed, problem: Problem | None) -> WarehousePhase:
    pod = observed.pod
    if not wanted.run:
        return WarehousePhase.STOPPED if observed.is_ended else WarehousePhase.STOPPING
    if pod and pod.gateway_ready and not pod.is_deleting:
        return WarehousePhase.RUNNING
    if (problem and problem.stalled) or (pod and pod.cannot_start and not pod.is_deleting):
        return WarehousePhase.ERROR
    return WarehousePhase.STARTING


def _endpoint(observed: Observed, phase: WarehousePhase) -> str | None:
    """Return the URL to which statements go; while it stops, the one that still answers for those that run."""
    pod = observed.pod
    return pod.endpoint if pod and phase in (WarehousePhase.RUNNING, WarehousePhase.STOPPING) else None


def _spark_ready(before: WarehouseStatus, pod: ObservedPod | None, answer: GatewayStatus | None) -> bool:
    if pod is None or not pod.spark_running:
        return False
    return answer.spark if answer else before.spark_ready


def _error(phase: WarehousePhase, observed: Observed, problem: Problem | None) -> str | None:
    pod, successor = observed.pod, observed.successor
    if phase in (WarehousePhase.STOPPED, WarehousePhase.STOPPING):
        return None
    if problem:
        return problem.message
    if successor and successor.error:
        return f"its new pod does not start yet: {successor.error}; the present one serves until it does"
    if phase is WarehousePhase.RUNNING:
        return f"statements that write have to wait: {pod.spark_error}" if pod and pod.spark_error else None
    lost = next((each.pod for each in (*observed.draining, *observed.deleting) if each.pod.node_is_lost), None)
    if (pod is None or pod.error is None) and lost:
        return f"{describe_lost_node(lost.manifest)}; a new pod is started"
    return pod.error if pod else None


def _conditions(
    warehouse: Warehouse,
    wanted: TargetState,
    observed: Observed,
    phase: WarehousePhase,
    problem: Problem | None,
    error: str | None,
    spark_ready: bool,
) -> list[tuple[ConditionType, bool, Reason, str]]:
    """Return the conditions.

    A warehouse that is stopped on request is Ready, or Flux would wait for it to start. One that serves with a pod of
    its former spec is not: what its owner wrote is not in effect yet.
    """
    is_replacing = wanted.run and observed.successor is not None
    reason = _reason(wanted, phase, problem, is_replacing=is_replacing)
    message = error or _describe(warehouse, wanted, observed, phase, spark_ready)
    cannot_start = observed.successor is not None and observed.successor.cannot_start
    is_wrong = cannot_start or (problem is not None and problem.stalled)
    stalled = phase is WarehousePhase.ERROR or (wanted.run and is_wrong)
    at_rest = phase in (WarehousePhase.RUNNING, WarehousePhase.STOPPED) and not is_replacing
    return [
        (ConditionType.READY, at_rest and not stalled, reason, message),
        (ConditionType.RECONCILING, not at_rest and not stalled, reason, message),
        (ConditionType.STALLED, stalled, reason, message),
    ]


def _reason(wanted: TargetState, phase: WarehousePhase, problem: Problem | None, *, is_replacing: bool) -> Reason:
    if not wanted.run:
        return wanted.reason
    if problem:
        return problem.reason
    if is_replacing:
        return Reason.REPLACING
    return {
        WarehousePhase.RUNNING: Reason.RUNNING,
        WarehousePhase.ERROR: Reason.POD_FAILED,
    }.get(phase, Reason.STARTING)


def _describe(
    warehouse: Warehouse, wanted: TargetState, observed: Observed, phase: WarehousePhase, spark_ready: bool
) -> str:
    present = _describe_phase(warehouse, wanted, observed, phase, spark_ready)
    return "; ".join([present, *_describe_old_pods(observed)])


def _describe_old_pods(observed: Observed) -> list[str]:
    """Return what is to say of the pods that were replaced, or are being ended."""
    running = sum(each.running or 0 for each in observed.draining)
    verb = "statement still runs" if running == 1 else "statements still run"
    left = [each.pod for each in observed.deleting if each.pod.is_stuck or each.pod.node_is_lost]
    return [
        *([f"{running} {verb} on a pod that was replaced"] if running else []),
        *(f"pod {pod.name} cannot be ended: {_why_stuck(pod)}; Kubernetes removes it with its node" for pod in left),
    ]


def _why_stuck(pod: ObservedPod) -> str:
    return describe_lost_node(pod.manifest) if pod.node_is_lost else f"node {pod.node} has not ended it in time"


def _describe_phase(
    warehouse: Warehouse, wanted: TargetState, observed: Observed, phase: WarehousePhase, spark_ready: bool
) -> str:
    if not wanted.run:
        why = f"idle for {warehouse.spec.auto_stop}" if wanted.reason is Reason.IDLE else "not wanted running"
        ending = "; running statements may end first" if phase is WarehousePhase.STOPPING else ""
        return why + (ending or "; the next statement starts it")
    served = "reads and writes are served" if spark_ready else "reads are served; writes wait for Spark to start"
    if observed.successor:
        return f"its new pod is starting, and the present one serves until then: {served}"
    if phase is WarehousePhase.RUNNING:
        return served
    if observed.draining:
        return "there is no room for two pods at once: the new one starts when the statements on the old one have ended"
    return "its pod is starting"

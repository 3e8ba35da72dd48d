"""Pure: from the target state of a Warehouse, its pod and its gateway to its status and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from icefield_crds import ConditionType, Reason, Warehouse, WarehousePhase, WarehouseStatus, merge_conditions
from icefield_crds.wire.gateway import GatewayStatus
from icefield_operator.problem import Problem

from .desired_state import TargetState, wake_of
from .pods import ObservedPod


@dataclass(frozen=True)
class Observed:
    """What is observed of a warehouse."""

    pod: ObservedPod | None
    answer: GatewayStatus | None
    """The status of the gateway; None when it was not queried or did not answer."""


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
    error = _error(phase, pod, problem)
    wake = wake_of(warehouse, now)
    became_running = phase is WarehousePhase.RUNNING and before.phase is not WarehousePhase.RUNNING
    return WarehouseStatus(
        observed_generation=warehouse.metadata.generation,
        conditions=merge_conditions(
            before.conditions,
            _conditions(warehouse, wanted, phase, problem, error, spark_ready),
            generation=warehouse.metadata.generation,
            now=now,
        ),
        phase=phase,
        endpoint=pod.endpoint if pod else None,
        spark_ready=spark_ready,
        pod_name=pod.name if pod else None,
        start_time=now if became_running else before.start_time,
        stop_time=wanted.stop_time,
        wake_time=wake or before.wake_time,
        last_activity_time=answer.last_activity if answer else before.last_activity_time,
        error=error,
    )


def _phase(wanted: TargetState, observed: Observed, problem: Problem | None) -> WarehousePhase:
    pod = observed.pod
    if not wanted.run:
        return WarehousePhase.STOPPING if pod else WarehousePhase.STOPPED
    if pod and pod.gateway_ready and not pod.is_deleting:
        return WarehousePhase.RUNNING
    if (problem and problem.stalled) or (pod and pod.cannot_start and not pod.is_deleting):
        return WarehousePhase.ERROR
    return WarehousePhase.STARTING


def _spark_ready(before: WarehouseStatus, pod: ObservedPod | None, answer: GatewayStatus | None) -> bool:
    if pod is None or not pod.spark_running:
        return False
    return answer.spark if answer else before.spark_ready


def _error(phase: WarehousePhase, pod: ObservedPod | None, problem: Problem | None) -> str | None:
    if phase in (WarehousePhase.STOPPED, WarehousePhase.STOPPING):
        return None
    if problem:
        return problem.message
    if pod is None:
        return None
    if phase is WarehousePhase.RUNNING:
        return f"statements that write have to wait: {pod.spark_error}" if pod.spark_error else None
    return pod.error


def _conditions(
    warehouse: Warehouse,
    wanted: TargetState,
    phase: WarehousePhase,
    problem: Problem | None,
    error: str | None,
    spark_ready: bool,
) -> list[tuple[ConditionType, bool, Reason, str]]:
    """Return the conditions; a warehouse that is stopped on request is Ready, or Flux would wait for it to start."""
    reason = _reason(wanted, phase, problem)
    message = error or _describe(warehouse, wanted, phase, spark_ready)
    stalled = phase is WarehousePhase.ERROR or (wanted.run and problem is not None and problem.stalled)
    at_rest = phase in (WarehousePhase.RUNNING, WarehousePhase.STOPPED)
    return [
        (ConditionType.READY, at_rest and not stalled, reason, message),
        (ConditionType.RECONCILING, not at_rest and not stalled, reason, message),
        (ConditionType.STALLED, stalled, reason, message),
    ]


def _reason(wanted: TargetState, phase: WarehousePhase, problem: Problem | None) -> Reason:
    if not wanted.run:
        return wanted.reason
    if problem:
        return problem.reason
    return {
        WarehousePhase.RUNNING: Reason.RUNNING,
        WarehousePhase.ERROR: Reason.POD_FAILED,
    }.get(phase, Reason.STARTING)


def _describe(warehouse: Warehouse, wanted: TargetState, phase: WarehousePhase, spark_ready: bool) -> str:
    if not wanted.run:
        why = f"idle for {warehouse.spec.auto_stop}" if wanted.reason is Reason.IDLE else "not wanted running"
        ending = "; running statements may end first" if phase is WarehousePhase.STOPPING else ""
        return why + (ending or "; the next statement starts it")
    if phase is WarehousePhase.RUNNING:
        return "reads and writes are served" if spark_ready else "reads are served; writes wait for Spark to start"
    return "its pod is starting"

"""Pure: whether a Warehouse should run now, by its spec, its last wake and its idle time.

The newest of these decides:

- spec.desiredState, of the owner. `stopped` that is newly written (or removed and written again) stops it.
- the annotation icefield.dev/wake, of whatever needs it. It starts a warehouse whatever its spec, until it is idle.
- autoStop: it stops when it was idle for so long, and then waits for a wake. The spec stays as its owner wrote it, so a
  GitOps controller that applies the same YAML again sees no difference and starts nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from icefield_crds import ConditionType, Reason, Warehouse, WarehousePhase, WarehouseState, WarehouseStatus

_UNITS = {"s": 1, "m": 60, "h": 3600}
CLOCK_SKEW = timedelta(minutes=1)
_STOPPED = (WarehousePhase.STOPPED, WarehousePhase.STOPPING)


class Activity(NamedTuple):
    """What a gateway reports of its statements."""

    running: int
    """How many run, or wait to."""
    last: datetime
    """When the last one ended; the start of the gateway before the first."""


class TargetState(NamedTuple):
    """Whether a warehouse should run."""

    run: bool
    reason: Reason
    """Why it is stopped: STOPPED or IDLE; AS_WANTED when it should run."""
    stop_time: datetime | None
    """When it was last stopped."""
    idle_at: datetime | None = None
    """When it will have been idle for long enough, if nothing happens until then."""


def decide(warehouse: Warehouse, activity: Activity | None, now: datetime) -> TargetState:
    """Return whether a warehouse should run.

    Args:
        warehouse: the Warehouse, with its last written status.
        activity: what its gateway reports; None when it was not asked or did not answer, which never counts as idle.
        now: the present.
    """
    before = warehouse.status or WarehouseStatus()
    wake = wake_of(warehouse, now)
    if not _is_needed(warehouse, before, wake):
        return _stopped(warehouse, before, wake, now)
    idle_at = _idle_at(warehouse, before, wake, activity)
    if idle_at is not None and idle_at <= now:
        return _stopped(warehouse, before, wake, now)
    return TargetState(run=True, reason=Reason.AS_WANTED, stop_time=before.stop_time, idle_at=idle_at)


def wake_of(warehouse: Warehouse, now: datetime) -> datetime | None:
    """Return the time of the last wake; one in the future, beyond clock skew, is ignored."""
    wake = warehouse.wake_time
    return wake if wake is not None and wake <= now + CLOCK_SKEW else None


def auto_stop(text: str) -> timedelta | None:
    """Return how long a warehouse may be idle, from spec.autoStop; None for `never`."""
    return None if text == "never" else timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


def _is_needed(warehouse: Warehouse, before: WarehouseStatus, wake: datetime | None) -> bool:
    to_be_stopped = warehouse.spec.desired_state is WarehouseState.STOPPED
    is_newly_written = before.observed_generation not in (None, warehouse.metadata.generation)
    if to_be_stopped and is_newly_written and not _is_new(wake, before):
        return False
    if _is_newer(wake, before.stop_time):
        return True
    return not to_be_stopped and not _stopped_idle(before)


def _is_new(wake: datetime | None, before: WarehouseStatus) -> bool:
    # A status keeps whole seconds.
    return wake is not None and _is_newer(wake.replace(microsecond=0), before.wake_time)


def _is_newer(wake: datetime | None, than: datetime | None) -> bool:
    return wake is not None and (than is None or wake > than)


def _stopped_idle(before: WarehouseStatus) -> bool:
    ready = before.condition(ConditionType.READY)
    return before.phase in _STOPPED and ready is not None and ready.reason == Reason.IDLE


def _stopped(warehouse: Warehouse, before: WarehouseStatus, wake: datetime | None, now: datetime) -> TargetState:
    """Stop it, or leave it stopped. Its owner's `stopped` is reason enough; wanted running, it can only be idle."""
    by_owner = warehouse.spec.desired_state is WarehouseState.STOPPED
    is_old = before.phase in _STOPPED and not _is_newer(wake, before.stop_time)
    return TargetState(
        run=False,
        reason=Reason.STOPPED if by_owner else Reason.IDLE,
        stop_time=before.stop_time if is_old else _after(wake, now),
    )


def _after(wake: datetime | None, now: datetime) -> datetime:
    """Return the present in the whole seconds that a status keeps, but not before the wake that it overrides."""
    moment = now.replace(microsecond=0)
    if wake is not None and wake > moment:
        moment = wake.replace(microsecond=0) + timedelta(seconds=1)
    return moment


def _idle_at(
    warehouse: Warehouse, before: WarehouseStatus, wake: datetime | None, activity: Activity | None
) -> datetime | None:
    limit = auto_stop(warehouse.spec.auto_stop)
    if limit is None or activity is None or activity.running or before.phase is not WarehousePhase.RUNNING:
        return None
    needed = (activity.last, before.start_time, wake)
    return max(moment for moment in needed if moment is not None) + limit

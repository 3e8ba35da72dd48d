"""Whether a warehouse is to run: by its spec, its last wake, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from icefield_crds import Reason, Warehouse
from icefield_crds.warehouse import WAKE_ANNOTATION
from icefield_operator.warehouse import desired_state
from icefield_operator.warehouse.desired_state import Activity

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    """A time that many minutes after noon, as Kubernetes writes it."""
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


class Case(NamedTuple):
    """What there is at noon, and whether that makes the warehouse run."""

    run: bool
    spec: dict[str, Any] = {}  # noqa: RUF012 - never written
    status: dict[str, Any] | None = None
    wake: str | None = None
    activity: Activity | None = None
    generation: int = 1


STOPPED: dict[str, Any] = {"desiredState": "stopped"}
RUNNING = {"phase": "running", "observedGeneration": 1, "startTime": at(-60)}
WOKEN = RUNNING | {"wakeTime": at(-61)}


def ready(reason: str) -> list[dict[str, Any]]:
    ready = {"type": "Ready", "status": "True", "reason": reason, "message": "", "lastTransitionTime": at(-10)}
    return [ready]


def idle_since(minutes: float) -> dict[str, Any]:
    return {"phase": "stopped", "observedGeneration": 1, "stopTime": at(minutes), "conditions": ready("Idle")}


CASES = {
    "new": Case(True),
    "new, wanted stopped": Case(False, STOPPED),
    "new, wanted stopped, needed at once": Case(True, STOPPED, wake=at(0)),
    "stopped by its owner": Case(False, STOPPED, RUNNING, generation=2),
    "stopped by its owner after somebody needed it": Case(False, STOPPED, WOKEN, wake=at(-61), generation=2),
    "stopped by its owner, then needed": Case(True, STOPPED, WOKEN, wake=at(-0.1), generation=2),
    "stopped, as it was": Case(False, STOPPED, {"phase": "stopped", "observedGeneration": 1, "stopTime": at(-5)}),
    "stopped, needed before": Case(
        False, STOPPED, {"phase": "stopped", "observedGeneration": 1, "stopTime": at(-5)}, wake=at(-6)
    ),
    "stopped, needed since": Case(
        True, STOPPED, {"phase": "stopped", "observedGeneration": 1, "stopTime": at(-5)}, wake=at(-4)
    ),
    "needed while it stops": Case(
        True, STOPPED, {"phase": "stopping", "observedGeneration": 1, "stopTime": at(-5)}, wake=at(-4)
    ),
    "woken, its owner's `stopped` is old": Case(True, STOPPED, WOKEN | {"stopTime": at(-90)}, wake=at(-61)),
    "idle, stopped, as it was": Case(False, {}, idle_since(-5)),
    "idle, stopped, needed before": Case(False, {}, idle_since(-5), wake=at(-90)),
    "idle, stopped, needed since": Case(True, {}, idle_since(-5), wake=at(-4)),
    "idle, stopped, its owner changes the size": Case(False, {"size": "cpu.8"}, idle_since(-5), generation=2),
    "wanted running again": Case(
        True, {}, {"phase": "stopped", "observedGeneration": 1, "stopTime": at(-5), "conditions": ready("Stopped")},
        generation=2,
    ),
    "a wake that is no time": Case(False, STOPPED, wake="now"),
    "a wake without a zone": Case(False, STOPPED, wake="2026-01-01T12:00:00"),
    "a wake in the far future": Case(False, STOPPED, wake=at(60 * 24 * 365)),
    "a wake of a clock that is fast": Case(True, STOPPED, wake=at(0.5)),
    "idle for long enough": Case(False, {}, RUNNING, activity=Activity(0, NOON - timedelta(minutes=30))),
    "not yet": Case(True, {}, RUNNING, activity=Activity(0, NOON - timedelta(minutes=29))),
    "a running statement is never idle": Case(
        True, {"autoStop": "1s"}, RUNNING, activity=Activity(1, NOON - timedelta(hours=9))
    ),
    "a gateway that does not answer is never idle": Case(True, {"autoStop": "1s"}, RUNNING),
    "never": Case(True, {"autoStop": "never"}, RUNNING, activity=Activity(0, NOON - timedelta(days=9))),
    "needed just now, no statement came yet": Case(
        True, {"autoStop": "10s"}, RUNNING, wake=at(-0.1), activity=Activity(0, NOON - timedelta(hours=1))
    ),
    "just became running": Case(
        True, {"autoStop": "90s"}, RUNNING | {"startTime": at(-1)}, activity=Activity(0, NOON - timedelta(hours=1))
    ),
    "starting is not idle": Case(
        True, {"autoStop": "1s"}, RUNNING | {"phase": "starting"}, activity=Activity(0, NOON - timedelta(hours=1))
    ),
    "idle, though its owner wants it stopped": Case(
        False, STOPPED | {"autoStop": "5m"}, WOKEN, wake=at(-61), activity=Activity(0, NOON - timedelta(minutes=5))
    ),
}  # fmt: skip


def warehouse(case: Case) -> Warehouse:
    annotations = {WAKE_ANNOTATION: case.wake} if case.wake else {}
    metadata = {"name": "w", "namespace": "icefield-demo", "generation": case.generation, "annotations": annotations}
    return Warehouse.model_validate({"metadata": metadata, "spec": case.spec, "status": case.status})


@pytest.mark.parametrize("name", CASES)
def test_whether_it_runs(name: str) -> None:
    case = CASES[name]
    assert desired_state.decide(warehouse(case), case.activity, NOON).run is case.run


@pytest.mark.parametrize(
    ("name", "reason", "stop_time"),
    [
        ("stopped by its owner", Reason.STOPPED, at(0)),
        ("stopped, as it was", Reason.STOPPED, at(-5)),
        ("idle, stopped, as it was", Reason.IDLE, at(-5)),
        ("idle for long enough", Reason.IDLE, at(0)),
        ("idle, though its owner wants it stopped", Reason.STOPPED, at(0)),
        ("new, wanted stopped", Reason.STOPPED, None),
    ],
)
def test_why_and_when_it_was_stopped(name: str, reason: Reason, stop_time: str | None) -> None:
    found = desired_state.decide(warehouse(CASES[name]), CASES[name].activity, NOON)
    assert found.reason is reason
    assert found.stop_time == (datetime.fromisoformat(stop_time) if stop_time else None)


def test_a_stop_overrules_a_wake_of_the_same_second() -> None:
    """A status keeps whole seconds: cut off, the stop would seem to be the older of the two."""
    now = NOON + timedelta(seconds=0.9)
    woken = Case(False, STOPPED, RUNNING | {"wakeTime": at(0)}, wake="2026-01-01T12:00:00.300000Z", generation=2)
    target = desired_state.decide(warehouse(woken), None, now)
    assert not target.run
    assert target.stop_time is not None
    written = {"phase": "stopping", "observedGeneration": 2, "stopTime": target.stop_time, "wakeTime": at(0)}
    assert not desired_state.decide(warehouse(woken._replace(status=written)), None, now).run


def test_when_it_will_be_idle() -> None:
    ended = NOON - timedelta(minutes=29)
    found = desired_state.decide(warehouse(CASES["not yet"]), Activity(0, ended), NOON)
    assert found.idle_at == ended + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("999999h", 999999 * 3600), ("never", None)]
)
def test_auto_stop(text: str, seconds: int | None) -> None:
    assert desired_state.auto_stop(text) == (None if seconds is None else timedelta(seconds=seconds))

"""Progress waits to be written, what must survive the process does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import AttemptStatus, Job, JobSpec, Run, RunPhase, RunStatus, TaskPhase, TaskStatus
from icefield_crds.names import API_VERSION
from icefield_operator.run import resolve, unwritten
from icefield_operator.run.unwritten import LONGEST_DELAY, LONGEST_DELAY_OF_ERROR, Background, Unwritten

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def run_of(name: str = "r", uid: str = "u") -> Run:
    metadata = {"name": name, "namespace": "icefield-demo", "uid": uid, "resourceVersion": "1"}
    return Run.model_validate(
        {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"command": "x"}}
    )


def status_of(*attempts: TaskPhase, phase: RunPhase = RunPhase.RUNNING) -> RunStatus:
    tried = [AttemptStatus(attempt=n, pod_name=f"p{n}", status=each) for n, each in enumerate(attempts)]
    last = attempts[-1] if attempts else TaskPhase.PENDING
    return RunStatus(phase=phase, tasks=[TaskStatus(key="main", status=last, attempts=tried)])


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        (status_of(), status_of(TaskPhase.PENDING)),
        (None, status_of(TaskPhase.FAILED)),
        (None, status_of(TaskPhase.FAILED, TaskPhase.PENDING)),
        (status_of(TaskPhase.FAILED), status_of(TaskPhase.FAILED, TaskPhase.PENDING)),
        (status_of(TaskPhase.RUNNING), status_of(TaskPhase.SUCCESS, phase=RunPhase.SUCCESS)),
        (status_of(), status_of(phase=RunPhase.CANCELLED)),
        (status_of(TaskPhase.PENDING, phase=RunPhase.PENDING), status_of(phase=RunPhase.PENDING)),
    ],
    ids=[
        "first attempt of a recorded run",
        "lost attempt",
        "after a lost attempt",
        "next attempt",
        "end",
        "end without an attempt",
        "a recorded attempt that was refused",
    ],
)
def test_what_must_survive_is_written_at_once(written: RunStatus | None, newest: RunStatus) -> None:
    assert unwritten.delay(written, newest, living_runs=5000) == timedelta(0)


def test_a_snapshot_is_written_at_once() -> None:
    job = Job(metadata=run_of("job").metadata, spec=JobSpec(command="x"))
    newest = RunStatus(snapshot=resolve.snapshot(run_of(), job))
    assert unwritten.delay(RunStatus(), newest, living_runs=5000) == timedelta(0)


@pytest.mark.parametrize(
    ("living_runs", "delay"),
    [(1, timedelta(seconds=0.05)), (20, timedelta(seconds=1)), (199, timedelta(seconds=9.95)), (5000, LONGEST_DELAY)],
)
def test_progress_waits_the_longer_the_more_runs_there_are(living_runs: int, delay: timedelta) -> None:
    started = status_of(TaskPhase.RUNNING)
    assert unwritten.delay(status_of(TaskPhase.PENDING), started, living_runs) == delay
    assert unwritten.delay(None, status_of(phase=RunPhase.PENDING), living_runs) == delay


def test_a_run_that_its_secret_shows_to_be_started_is_recorded_when_there_is_time() -> None:
    waits = status_of(TaskPhase.PENDING, phase=RunPhase.PENDING)
    assert unwritten.delay(None, waits, living_runs=1) == timedelta(seconds=0.05)
    assert unwritten.delay(None, waits, living_runs=500) == timedelta(seconds=25)
    assert unwritten.delay(None, status_of(TaskPhase.RUNNING), living_runs=5000) == LONGEST_DELAY


def test_an_error_is_told_sooner() -> None:
    waits = status_of(TaskPhase.PENDING, phase=RunPhase.PENDING)
    stuck = waits.model_copy(update={"error": "waiting for room in the cluster"})
    for before in (None, waits):
        assert unwritten.delay(before, stuck, living_runs=500) == LONGEST_DELAY_OF_ERROR
    assert unwritten.delay(stuck, stuck, living_runs=500) == timedelta(seconds=25)
    assert unwritten.delay(stuck, waits, living_runs=500) == timedelta(seconds=25)


def test_a_run_has_its_newest_status_until_it_is_written() -> None:
    kept, run = Unwritten(), run_of()
    newest = status_of(TaskPhase.SUCCESS)
    kept.keep(run, newest, NOW)
    assert kept.on(run).status == newest
    assert kept.due(run) == NOW
    assert kept.on(run_of(uid="another of this name")).status is None
    kept.forget("icefield-demo", "r")
    assert kept.on(run).status is None
    assert kept.due(run) is None


def test_what_nobody_waits_for_is_spread() -> None:
    background, latest = Background(2), NOW + timedelta(minutes=10)
    first, second = run_of("a"), run_of("b")
    assert background.due(first, NOW, latest) == NOW + timedelta(seconds=0.5)
    assert background.due(second, NOW, latest) == NOW + timedelta(seconds=1)
    assert background.due(first, NOW + timedelta(minutes=1), latest) == NOW + timedelta(seconds=0.5)
    assert background.due(second, NOW, NOW) == NOW, "never later than the latest"
    background.forget("icefield-demo", "a")
    assert background.due(run_of("c"), NOW, latest) == NOW + timedelta(seconds=1)

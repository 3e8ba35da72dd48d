"""From the tasks of a run to its status and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from icefield_crds import AttemptStatus, ConditionType, Reason, Run, RunStatus, Task, labels
from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.run import dag, status
from icefield_operator.run.admission import Admission
from icefield_operator.run.log_archiving import record_archived_logs
from icefield_operator.run.pods import PodObserver
from icefield_operator.run.validate import RunProblem

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADMITTED = Admission(True, Reason.WITHIN_QUOTA, "ok")
FULL = Admission(False, Reason.QUOTA_EXCEEDED, "max_running_runs=1, current=1")
TASKS = [Task(key="a", command="true"), Task(key="b", command="true", depends_on=["a"])]


def _run(before: RunStatus | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Run:
    metadata = {
        "name": "r",
        "namespace": "icefield-demo",
        "uid": "u",
        "generation": 2,
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "annotations": annotations or {},
    }
    tasks = [task.to_api() for task in TASKS]
    run = Run.model_validate({"metadata": metadata, "spec": {"tasks": tasks, **spec}})
    return run.model_copy(update={"status": before})


def _attempt(phase: str, **more: Any) -> AttemptStatus:
    return AttemptStatus(attempt=0, pod_name="p", pod_uid="u", status=phase, **more)


def _of(attempts: dict[str, list[AttemptStatus]], run: Run | None = None, **given: Any) -> RunStatus:
    decision = dag.decide(TASKS, attempts, now=NOW, stop=given.get("stop"))
    return status.of(
        run or _run(),
        decision,
        attempts,
        stop=given.get("stop"),
        admission=given.get("admission", ADMITTED),
        problem=given.get("problem"),
        now=NOW,
    )


TOO_LONG = "the run took longer than its timeout of 60 s"
REPLACING = RunProblem(Reason.REPLACING, "waits until run etl-6, which it replaces, has ended", False)
BAD = _attempt("failed", error="the command failed with exit code 1", completion_time=NOW)
GOOD = _attempt("success", completion_time=NOW)

CASES: list[tuple[str, dict[str, list[AttemptStatus]], dict[str, Any], str, Reason, str | None]] = [
    ("waits for room", {}, {"admission": FULL}, "pending", Reason.QUOTA_EXCEEDED, FULL.message),
    ("pod is being made", {"a": [_attempt("pending")]}, {}, "pending", Reason.PENDING, None),
    (
        "pod waits",
        {"a": [_attempt("pending", error="no room")]},
        {},
        "pending",
        Reason.PENDING,
        "task a: no room",
    ),
    ("runs", {"a": [_attempt("running")]}, {}, "running", Reason.RUNNING, None),
    ("failed", {"a": [BAD]}, {}, "failed", Reason.TASK_FAILED, "task a: the command failed with exit code 1"),
    ("succeeded", {"a": [GOOD], "b": [GOOD]}, {}, "success", Reason.SUCCEEDED, None),
    ("cancelled", {}, {"stop": dag.Stop.CANCELLED}, "cancelled", Reason.CANCELLED, None),
    (
        "replaced by its schedule",
        {},
        {"stop": dag.Stop.CANCELLED, "run": _run(annotations={REPLACED_BY_ANNOTATION: "etl-7"})},
        "cancelled",
        Reason.REPLACED,
        "replaced by run etl-7",
    ),
    (
        "waits for the end of what it replaces",
        {},
        {"admission": Admission(False, Reason.REPLACING, ""), "problem": REPLACING},
        "pending",
        Reason.REPLACING,
        "waits until run etl-6, which it replaces, has ended",
    ),
    (
        "timed out",
        {"a": [BAD]},
        {"stop": dag.Stop.TIMED_OUT, "run": _run(timeoutSeconds=60)},
        "failed",
        Reason.TIMED_OUT,
        "the run took longer than its timeout of 60 s",
    ),
    (
        "misses a flavor",
        {"a": [GOOD]},
        {"problem": RunProblem(Reason.FLAVOR_NOT_FOUND, "flavor x does not exist", False)},
        "running",
        Reason.FLAVOR_NOT_FOUND,
        "flavor x does not exist",
    ),
]


@pytest.mark.parametrize(
    ("attempts", "given", "phase", "reason", "error"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_phase_error_and_conditions(
    attempts: dict[str, list[AttemptStatus]], given: dict[str, Any], phase: str, reason: Reason, error: str | None
) -> None:
    found = _of(attempts, **given)
    assert (found.phase.value, found.error) == (phase, error)
    ended, good = phase in ("success", "failed", "cancelled"), phase == "success"
    expected = {
        ConditionType.RECONCILING: not ended,
        ConditionType.READY: good,
        ConditionType.COMPLETE: good,
        ConditionType.FAILED: ended and not good,
        ConditionType.STALLED: ended and not good,
    }
    assert {type_: found.is_true(type_) for type_ in expected} == expected
    assert {found.condition(type_).reason for type_ in expected} == {reason.value}  # type: ignore[union-attr]
    assert (found.completion_time is not None) == ended
    assert {condition.observed_generation for condition in found.conditions} == {2}


def test_nothing_new_makes_the_same_status_again() -> None:
    first = _of({"a": [_attempt("running", start_time=NOW)]})
    later = status.of(
        _run(first),
        dag.decide(TASKS, {"a": first.tasks[0].attempts}, now=NOW),
        {"a": first.tasks[0].attempts},
        stop=None,
        admission=ADMITTED,
        problem=None,
        now=NOW + timedelta(hours=1),
    )
    assert later.to_api() == first.to_api()


def test_an_attempt_that_ended_stays_as_recorded_though_its_pod_is_gone() -> None:
    before = _of({"a": [GOOD]})
    attempts = status.attempts_of(
        _run(before), TASKS, [], stop=None, now=NOW + timedelta(hours=1), observer=PodObserver()
    )
    assert attempts == {"a": [GOOD], "b": []}
    assert status.attempts_without_pod(_run(before), []) == []


def test_an_attempt_that_ran_when_last_seen_is_missed() -> None:
    before = _of({"a": [_attempt("running")]})
    assert [attempt.pod_name for attempt in status.attempts_without_pod(_run(before), [])] == ["p"]
    attempts = status.attempts_of(_run(before), TASKS, [], stop=None, now=NOW, observer=PodObserver())
    assert attempts["a"][0].error == "the pod was deleted while the task was running"


def test_the_timeout_counts_from_the_creation() -> None:
    later = NOW + timedelta(hours=1)
    assert status.run_deadline(_run(timeoutSeconds=60), later) == NOW + timedelta(seconds=60)
    admitted = _run(_of({"a": [_attempt("running")]}), timeoutSeconds=60)
    assert status.run_deadline(admitted, later) == NOW + timedelta(seconds=60)
    without_job = _run(tasks=None, jobRef={"name": "nowhere"}, timeoutSeconds=60)
    assert status.run_deadline(without_job, later) == NOW + timedelta(seconds=60)
    assert status.run_deadline(_run(), NOW) is None


@pytest.mark.parametrize(
    ("given", "waited_for"),
    [
        ({"admission": FULL}, FULL.message),
        ({"problem": RunProblem(Reason.POD_REFUSED, "a webhook failed", False)}, "a webhook failed"),
        ({"run": _run(RunStatus(error="no room"), timeoutSeconds=60)}, "no room"),
        ({"run": _run(RunStatus(error=f"{TOO_LONG}; until then: no room"), timeoutSeconds=60)}, "no room"),
    ],
)
def test_a_run_that_timed_out_while_it_waited_says_what_it_waited_for(given: dict[str, Any], waited_for: str) -> None:
    found = _of({}, **{"run": _run(timeoutSeconds=60), **given, "stop": dag.Stop.TIMED_OUT})
    assert (found.phase.value, found.error) == ("failed", f"{TOO_LONG}; until then: {waited_for}")
    assert found.condition(ConditionType.FAILED).reason == Reason.TIMED_OUT  # type: ignore[union-attr]


REFUSED = RunProblem(Reason.POD_REFUSED, "task a cannot start: a webhook failed", False)
NEVER_MADE = AttemptStatus(attempt=0, pod_name="p", status="failed", error="Kubernetes refused the task's pod: bad")


@pytest.mark.parametrize(
    ("attempts", "problem", "expected"),
    [
        ({}, REFUSED, ("False", Reason.POD_REFUSED, REFUSED.message)),
        ({"a": [NEVER_MADE]}, None, ("False", Reason.POD_REFUSED, NEVER_MADE.error)),
        ({"a": [_attempt("running")]}, REFUSED, ("True", Reason.WITHIN_QUOTA, "ok")),
        ({"a": [_attempt("running")]}, None, ("True", Reason.WITHIN_QUOTA, "ok")),
    ],
)
def test_a_run_whose_pods_are_refused_is_not_admitted(
    attempts: dict[str, list[AttemptStatus]], problem: RunProblem | None, expected: tuple[str, Reason, str]
) -> None:
    found = _of(attempts, problem=problem).condition(ConditionType.ADMITTED)
    assert found is not None
    assert (found.status, found.reason, found.message) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, True), ({"problem": REFUSED}, True), ({"admission": FULL}, False)],
)
def test_a_run_whose_pods_are_refused_keeps_its_place(given: dict[str, Any], expected: bool) -> None:
    assert _of({}, **given).holds_place is expected
    assert RunStatus().holds_place is False


def test_failures_and_disruptions_are_counted_apart() -> None:
    lost = BAD.model_copy(update={"disrupted": True})
    found = _of({"a": [BAD, lost, BAD, lost]}).tasks[0]
    assert (found.retry_count, found.disruptions) == (2, 2)


def test_the_status_of_an_ended_run_follows_its_generation() -> None:
    written = _of({"a": [GOOD], "b": [GOOD]})
    later = _run(written)
    later = later.model_copy(update={"metadata": later.metadata.model_copy(update={"generation": 3})})
    found = status.ended(later, written)
    assert {found.observed_generation, *(condition.observed_generation for condition in found.conditions)} == {3}
    assert found.condition(ConditionType.COMPLETE).last_transition_time == NOW  # type: ignore[union-attr]


@dataclass
class Logs:
    """Archived logs of attempts, by task, of which those of some miss lines."""

    archived: set[str]
    lost: set[str]

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        return run_uid == "u" and task in self.archived

    def misses_lines(self, run_uid: str, task: str, attempt: int) -> bool:
        return task in self.lost

    def has_unknown_start(self, run_uid: str, task: str, attempt: int) -> bool:
        return task == "a"


@pytest.mark.parametrize(("lost", "complete"), [(set(), None), ({"a"}, False)])
def test_archived_logs_are_noted_once_an_attempt_ended(lost: set[str], complete: bool | None) -> None:
    found = _of({"a": [GOOD], "b": [_attempt("running")]})
    noted = record_archived_logs(found, "u", cast(LogArchive, Logs({"a", "b"}, lost)))
    assert [task.attempts[0].logs_archived for task in noted.tasks] == [True, False]
    assert [task.attempts[0].logs_complete for task in noted.tasks] == [complete, None]
    assert [task.attempts[0].logs_start_unknown for task in noted.tasks] == [True, False]
    assert record_archived_logs(noted, "u", cast(LogArchive, Logs(set(), set()))) == noted


def test_pods_of_attempts_that_have_ended_get_no_work() -> None:
    pods = [{"metadata": {"labels": labels.of_task_pod("demo", "w", "run", "a", number)}} for number in (0, 1)]
    ended = _of({"a": [BAD.model_copy(update={"pod_uid": None})]})
    assert status.pods_not_ended(ended, pods) == [pods[1]], "also one that was created after it was recorded as lost"
    assert status.pods_not_ended(None, pods) == pods


@pytest.mark.parametrize(
    "problem",
    [
        RunProblem(Reason.POD_REFUSED, "pod x cannot be ended: boom; it is tried again", False),
        RunProblem(Reason.FLAVOR_NOT_FOUND, "flavor big of task b does not exist", False),
    ],
)
def test_what_might_still_pass_is_not_why_a_run_failed(problem: RunProblem) -> None:
    written = _of({"a": [GOOD], "b": [BAD]}, problem=problem)
    assert written.error == f"task b: {BAD.error}"
    assert written.conditions[-1].reason == Reason.TASK_FAILED
    assert _of({"a": [GOOD], "b": [_attempt("running", start_time=NOW)]}, problem=problem).error == problem.message

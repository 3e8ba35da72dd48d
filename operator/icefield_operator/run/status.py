"""Pure: from the observed and the recorded attempts of a Run to its status and conditions.

Pods may be deleted; the recorded status of an attempt that has ended is final.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from icefield_crds import (
    AttemptStatus,
    ConditionType,
    Reason,
    Run,
    RunPhase,
    RunStatus,
    Task,
    TaskPhase,
    TaskStatus,
    merge_conditions,
    names,
)
from icefield_kube.client import Manifest

from . import pods
from .admission import NOT_REQUESTED, Admission
from .attempt_end import START_NOT_KNOWN, ObservationContext
from .dag import Attempts, Decision, Stop
from .run_type import RunType, run_type_of, timeout_message, timeout_seconds
from .validate import RunProblem

BACKSTOP = timedelta(seconds=30)
"""How much later than the sandbox itself the operator ends a workload that exceeds its timeout."""

MAX_ERROR = 4096
"""Longest error in the status of a Run."""

Wanted = list[tuple[ConditionType, bool, Reason, str]]


def recorded(run: Run) -> dict[str, TaskStatus]:
    """Return the recorded status of each task, by key."""
    return {task.key: task for task in run.status.tasks} if run.status else {}


def settled(run: Run) -> Mapping[str, TaskPhase]:
    """Return the phase of each task as last recorded."""
    return {key: task.status for key, task in recorded(run).items()}


def run_deadline(run: Run, now: datetime) -> datetime | None:
    """Return when its timeout ends a run: counted from its creation, whatever it waits for."""
    limit = timeout_seconds(run)
    if limit is None:
        return None
    since = run.metadata.creation_timestamp or now
    # A sandbox ends its workload itself, with a better message: this is for one that does not.
    return since + timedelta(seconds=limit) + (BACKSTOP if run_type_of(run) is RunType.POLARS else timedelta(0))


def attempts_of(
    run: Run,
    tasks: Sequence[Task],
    run_pods: Sequence[Manifest],
    *,
    stop: Stop | None,
    now: datetime,
    observer: pods.PodObserver,
    start_problems: Mapping[str, str] | None = None,
    last_seen: Mapping[str, Manifest] | None = None,
    lost: Collection[tuple[str, int]] = (),
) -> dict[str, list[AttemptStatus]]:
    """Return the status of every attempt of every task, oldest first.

    An attempt that was recorded, had not ended, and no longer has a pod counts as disrupted: the caller makes sure that
    `run_pods` misses none that exists. So does one that is `lost` (Rejections). A pod that was seen and is gone had an
    attempt though none was recorded: its creation was not answered.
    """
    seen: dict[tuple[str, int], Manifest] = {pods.attempt_of(pod): pod for pod in run_pods}
    gone = {pods.attempt_of(pod) for pod in (last_seen or {}).values()}
    written = recorded(run)
    result: dict[str, list[AttemptStatus]] = {}
    for task in tasks:
        context = ObservationContext(
            stop, timeout_seconds(run), task.timeout_seconds, now, start_problems or {}, last_seen or {}
        )
        before = {
            number: _starting(run, key, number)
            for key, number in {*lost, *gone}
            if key == task.key and (key, number) not in seen
        }
        before |= {a.attempt: a for a in written[task.key].attempts} if task.key in written else {}
        numbers = sorted({*before, *(number for key, number in seen if key == task.key)})
        result[task.key] = [_attempt(before.get(n), seen.get((task.key, n)), context, observer) for n in numbers]
    return result


def attempts_without_pod(run: Run, run_pods: Sequence[Manifest]) -> list[AttemptStatus]:
    """Return the attempts that had not ended when last recorded, and whose pods are not among these."""
    present = {pod["metadata"]["name"] for pod in run_pods}
    return [
        attempt
        for task in recorded(run).values()
        for attempt in task.attempts
        if not attempt.status.is_terminal and attempt.pod_name not in present
    ]


def pods_not_ended(run_status: RunStatus | None, run_pods: Sequence[Manifest]) -> list[Manifest]:
    """Return the pods whose attempts have not ended by this status: those of others may still run for a moment."""
    tasks = run_status.tasks if run_status else ()
    # By number: one whose pod was created late has ended without a pod.
    ended = {(task.key, tried.attempt) for task in tasks for tried in task.attempts if tried.status.is_terminal}
    return [pod for pod in run_pods if pods.attempt_of(pod) not in ended]


def of(
    run: Run,
    decision: Decision,
    attempts: Attempts,
    *,
    stop: Stop | None,
    admission: Admission,
    problem: RunProblem | None,
    now: datetime,
    waits: Mapping[str, str] | None = None,
) -> RunStatus:
    """Return the status of a run.

    Args:
        run: the Run with its last written status.
        decision: of dag.py.
        attempts: what the decision was based on.
        stop: why the run is being ended, if it is.
        admission: whether the quota lets it run.
        problem: what is wrong with it, if anything.
        now: the present.
        waits: what tasks wait for that could start otherwise, by their key.
    """
    before = run.status or RunStatus()
    if problem and not problem.final and decision.phase.is_terminal and stop is None:
        # Why its tasks ended they tell themselves.
        problem = None
    tasks = [_task(key, phase, attempts.get(key, ()), (waits or {}).get(key)) for key, phase in decision.tasks.items()]
    started = [attempt.start_time for task in tasks for attempt in task.attempts if attempt.start_time]
    error = _error(decision.phase, tasks, stop, admission, problem, run)
    if refusal := _refusal(tasks, problem):
        admission = Admission(False, Reason.POD_REFUSED, refusal)
    wanted = _conditions(decision.phase, stop, admission, problem, error, tasks, run)
    ended = decision.phase.is_terminal
    return RunStatus(
        observed_generation=run.metadata.generation,
        conditions=merge_conditions(before.conditions, wanted, generation=run.metadata.generation, now=now),
        phase=decision.phase,
        start_time=min(started, default=None),
        completion_time=(before.completion_time or now) if ended else None,
        progress=_progress(tasks) if tasks else None,
        error=error,
        tasks=tasks,
        snapshot=before.snapshot,
        polars=before.polars,
    )


def with_starts(attempts: Attempts, run: Run, start: Sequence[tuple[Task, int]]) -> Attempts:
    """Return the attempts of each task and those that start now, whose pods are yet to be created."""
    starting = {task.key: _starting(run, task.key, number) for task, number in start}
    return {key: [*tried, starting[key]] if key in starting else tried for key, tried in attempts.items()}


def recorded_refusal(run: Run) -> RunProblem | None:
    """Return what Kubernetes refused of a run by its last status: that holds until it is tried again."""
    reconciling = run.status.condition(ConditionType.RECONCILING) if run.status else None
    if reconciling is None or reconciling.reason != Reason.POD_REFUSED:
        return None
    return RunProblem(Reason.POD_REFUSED, reconciling.message, final=False)


def waiting(
    run: Run, tasks: Sequence[Task], problem: RunProblem | None, admission: Admission, now: datetime
) -> RunStatus:
    """Return the status of a run that has not started anything: it waits for a place, or for what is missing."""
    decision = Decision(phase=RunPhase.PENDING, tasks={task.key: TaskPhase.PENDING for task in tasks})
    return of(run, decision, {}, stop=None, admission=admission, problem=problem, now=now)


def failed(run: Run, tasks: Sequence[Task], problem: RunProblem, now: datetime) -> RunStatus:
    """Return the status of a run that can never start."""
    decision = Decision(phase=RunPhase.FAILED, tasks={task.key: TaskPhase.CANCELLED for task in tasks})
    return of(run, decision, {}, stop=None, admission=NOT_REQUESTED, problem=problem, now=now)


def ended(run: Run, status: RunStatus) -> RunStatus:
    """Return the status of a run that has ended, about the present generation: its spec may be changed later."""
    generation = run.metadata.generation
    conditions = [condition.model_copy(update={"observed_generation": generation}) for condition in status.conditions]
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _starting(run: Run, key: str, number: int) -> AttemptStatus:
    pod_name = names.pod_name(run.metadata.name, key, number)
    return AttemptStatus(attempt=number, pod_name=pod_name, status=TaskPhase.PENDING)


def _attempt(
    before: AttemptStatus | None,
    pod: Manifest | None,
    context: ObservationContext,
    observer: pods.PodObserver,
) -> AttemptStatus:
    if before is not None and before.status.is_terminal:
        return before
    if pod is not None:
        return observer.observe(pod, before, context)
    assert before is not None, "an attempt has a pod or a recorded status"  # noqa: S101
    return observer.observe_missing(before, context)


def _task(key: str, phase: TaskPhase, tried: Sequence[AttemptStatus], waits: str | None) -> TaskStatus:
    last = tried[-1] if tried else None
    started = [attempt.start_time for attempt in tried if attempt.start_time]
    return TaskStatus(
        key=key,
        status=phase,
        retry_count=sum(not attempt.disrupted for attempt in tried[:-1]),
        disruptions=sum(attempt.disrupted for attempt in tried),
        start_time=min(started, default=None),
        completion_time=last.completion_time if last and phase.is_terminal else None,
        exit_code=last.exit_code if last else None,
        error=waits or (last.error if last else None),
        attempts=list(tried),
    )


def _progress(tasks: Sequence[TaskStatus]) -> str:
    return f"{sum(task.status.is_terminal for task in tasks)}/{len(tasks)}"


def _error(
    phase: RunPhase,
    tasks: Sequence[TaskStatus],
    stop: Stop | None,
    admission: Admission,
    problem: RunProblem | None,
    run: Run,
) -> str | None:
    if phase is RunPhase.CANCELLED:
        return f"replaced by run {run.replaced_by}" if run.replaced_by else None
    if phase is RunPhase.SUCCESS:
        return None
    if stop is Stop.TIMED_OUT:
        return _timeout_error(run, admission, problem)
    if problem:
        return problem.message
    if phase is RunPhase.PENDING and not admission.admitted:
        return admission.message
    culprit = next((t for t in tasks if t.status is TaskPhase.FAILED), None) if phase is RunPhase.FAILED else None
    culprit = culprit or next((t for t in tasks if not t.status.is_terminal and t.error), None)
    if culprit is None or culprit.error is None:
        return None
    return culprit.error if len(tasks) == 1 else f"task {culprit.key}: {culprit.error}"


def _timeout_error(run: Run, admission: Admission, problem: RunProblem | None) -> str:
    """Return that a run exceeded its timeout, and what it waited for if nothing of it had started."""
    message, before = timeout_message(run), run.status
    waited_for = before.error if before and before.start_time is None else None
    if waited_for and waited_for.startswith(message):
        return waited_for
    if problem or not (waited_for or admission.admitted):
        waited_for = problem.message if problem else admission.message
    return f"{message}; until then: {waited_for}"[:MAX_ERROR] if waited_for else message


def _refusal(tasks: Sequence[TaskStatus], problem: RunProblem | None) -> str | None:
    """Return why Kubernetes refused the pods of a run that has had none; None when it did not."""
    attempts = [attempt for task in tasks for attempt in task.attempts]
    if any(attempt.pod_uid for attempt in attempts):
        return None
    if problem is not None:
        return problem.message if problem.reason is Reason.POD_REFUSED else None
    errors = (attempt.error for attempt in attempts if attempt.error)
    return next((error for error in errors if not error.startswith(START_NOT_KNOWN)), None)


def _conditions(
    phase: RunPhase,
    stop: Stop | None,
    admission: Admission,
    problem: RunProblem | None,
    error: str | None,
    tasks: Sequence[TaskStatus],
    run: Run,
) -> Wanted:
    reason = _reason(phase, stop, problem, admission, run)
    message = error or _describe(phase, tasks)
    good, ended = phase is RunPhase.SUCCESS, phase.is_terminal
    bad = ended and not good
    # A problem that came later does not take the place of a run that was admitted.
    why = admission if admission.admitted or problem is None else problem
    return [
        (ConditionType.ADMITTED, admission.admitted, why.reason, why.message),
        (ConditionType.RECONCILING, not ended, reason, message),
        (ConditionType.READY, good, reason, message),
        (ConditionType.COMPLETE, good, reason, message),
        (ConditionType.FAILED, bad, reason, message),
        (ConditionType.STALLED, bad, reason, message),
    ]


def _reason(phase: RunPhase, stop: Stop | None, problem: RunProblem | None, admission: Admission, run: Run) -> Reason:
    if phase is RunPhase.SUCCESS:
        return Reason.SUCCEEDED
    if phase is RunPhase.CANCELLED:
        return Reason.REPLACED if run.replaced_by else Reason.CANCELLED
    if stop is Stop.TIMED_OUT:
        return Reason.TIMED_OUT
    if problem:
        return problem.reason
    if phase is RunPhase.FAILED:
        return Reason.TASK_FAILED
    if not admission.admitted:
        return admission.reason
    return Reason.RUNNING if phase is RunPhase.RUNNING else Reason.PENDING


def _describe(phase: RunPhase, tasks: Sequence[TaskStatus]) -> str:
    if phase is RunPhase.SUCCESS:
        return "every task succeeded"
    if phase is RunPhase.CANCELLED:
        return "the run was cancelled"
    return f"{_progress(tasks)} tasks ended" if tasks else "the tasks are not known yet"

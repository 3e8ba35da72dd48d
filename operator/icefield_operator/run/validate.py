"""Pure: what keeps a Run from starting, in a message for its owner."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Execution, Reason, Run
from icefield_crds.dag import cycle, unknown_dependency
from icefield_crds.problems import describe_missing_flavor, execution_problem
from icefield_crds.stored_size import size_problem
from icefield_operator.problem import describe_missing_workspace

from .resolve import RunFacts
from .run_type import RunType, run_type_of


class RunProblem(NamedTuple):
    """Why a run cannot start."""

    reason: Reason
    message: str
    final: bool
    """Whether it can never pass: what a run executes is fixed, but a Job or a Flavor may still be created."""


def find_problem(facts: RunFacts) -> RunProblem | None:
    """Return the first thing that is wrong, or None."""
    invalid = _find_invalid(facts, facts.execution) if facts.execution else None
    return _find_missing(facts) or invalid or _find_replaced(facts)


def _too_large_to_begin(run: Run) -> str | None:
    """Return that there is no room for the status of a run that has none yet."""
    return None if run.status and run.status.tasks else size_problem(run)


def _find_missing(facts: RunFacts) -> RunProblem | None:
    namespace = facts.run.metadata.namespace or ""
    if facts.workspace is None:
        message = describe_missing_workspace(namespace)
        return RunProblem(Reason.WORKSPACE_NOT_FOUND, message, final=False)
    if blocked := facts.workspace.blocked:
        return RunProblem(Reason.WORKSPACE_NOT_READY, blocked, final=False)
    if facts.execution is None and facts.job is None and facts.run.spec.job_ref:
        return RunProblem(Reason.JOB_NOT_FOUND, f"job {facts.run.spec.job_ref.name} does not exist", final=False)
    return None


def _find_replaced(facts: RunFacts) -> RunProblem | None:
    if facts.replaces is None:
        return None
    return RunProblem(Reason.REPLACING, f"waits until run {facts.replaces}, which it replaces, has ended", final=False)


def _find_invalid(facts: RunFacts, execution: Execution) -> RunProblem | None:
    if not facts.tasks:
        return RunProblem(Reason.NOTHING_TO_RUN, "the job has no tasks: there is nothing to run", final=True)
    if unknown := unknown_dependency(facts.tasks):
        message = f"task {unknown[0]} depends on {unknown[1]}, which does not exist"
        return RunProblem(Reason.INVALID_SPEC, message, final=True)
    if path := cycle(facts.tasks):
        return RunProblem(Reason.DEPENDENCY_CYCLE, f"tasks depend on each other: {' -> '.join(path)}", final=True)
    if impossible := execution_problem(execution) or _too_large_to_begin(facts.run):
        return RunProblem(Reason.INVALID_SPEC, impossible, final=True)
    ended = {task.key for task in (facts.run.status.tasks if facts.run.status else ()) if task.status.is_terminal}
    for task in facts.tasks if run_type_of(facts.run) is RunType.COMMAND else ():
        if task.flavor not in facts.flavors and task.key not in ended:
            missing = describe_missing_flavor(task.flavor or "", facts.known_flavors)
            of_task = "" if facts.execution and facts.execution.tasks is None else f"task {task.key}: "
            return RunProblem(Reason.FLAVOR_NOT_FOUND, f"{of_task}{missing}", final=False)
    return None

"""Says what is wrong with a Run, in words for its owner; touches nothing."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Execution, Reason
from icefield_crds.dag import cycle, unknown_dependency
from icefield_crds.execution import MAX_FILES_BYTES
from icefield_crds.names import workspace_of

from .resolve import Facts
from .work import Work, work_of


class Problem(NamedTuple):
    """Why a run does not go on."""

    reason: Reason
    message: str
    final: bool
    """Whether it can never be cured: what a run executes is fixed, but a Job or a Flavor may still appear."""


def first_problem(facts: Facts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    return _missing_around(facts) or (_wrong_inside(facts, facts.execution) if facts.execution else None)


def _missing_around(facts: Facts) -> Problem | None:
    namespace = facts.run.metadata.namespace or ""
    if facts.workspace is None:
        slug = workspace_of(namespace)
        message = f"workspace {slug} does not exist" if slug else f"namespace {namespace} belongs to no workspace"
        return Problem(Reason.WORKSPACE_NOT_FOUND, message, final=False)
    if facts.execution is None and facts.job is None and facts.run.spec.job_ref:
        return Problem(Reason.JOB_NOT_FOUND, f"job {facts.run.spec.job_ref.name} does not exist", final=False)
    return None


def _wrong_inside(facts: Facts, execution: Execution) -> Problem | None:
    if not facts.tasks:
        return Problem(Reason.NOTHING_TO_RUN, "the job has no tasks: there is nothing to run", final=True)
    if unknown := unknown_dependency(facts.tasks):
        message = f"task {unknown[0]} depends on {unknown[1]}, which does not exist"
        return Problem(Reason.INVALID_SPEC, message, final=True)
    if path := cycle(facts.tasks):
        return Problem(Reason.DEPENDENCY_CYCLE, f"tasks depend on each other: {' -> '.join(path)}", final=True)
    size = sum(len(file.content.encode()) for file in execution.files)
    if size > MAX_FILES_BYTES:
        message = f"the inline files have {size} bytes together; at most {MAX_FILES_BYTES} fit"
        return Problem(Reason.INVALID_SPEC, message, final=True)
    for task in facts.tasks if work_of(facts.run) is Work.COMMAND else ():
        if task.flavor not in facts.flavors:
            return Problem(Reason.FLAVOR_NOT_FOUND, f"flavor {task.flavor} of task {task.key} does not exist", False)
    return None

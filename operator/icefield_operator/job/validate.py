"""Says what is wrong with a Job, in words for its owner; touches nothing."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Reason
from icefield_crds.dag import cycle
from icefield_crds.names import workspace_of

from .resolve import Facts
from .schedule import InvalidScheduleError, Schedule


class Problem(NamedTuple):
    """Why a job cannot run, or its schedule cannot start it."""

    reason: Reason
    message: str


def first_problem(facts: Facts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    spec = facts.job.spec
    if facts.workspace is None:
        namespace = facts.job.metadata.namespace or ""
        slug = workspace_of(namespace)
        message = f"workspace {slug} does not exist" if slug else f"namespace {namespace} belongs to no workspace"
        return Problem(Reason.WORKSPACE_NOT_FOUND, message)
    if spec.command is None and not spec.tasks:
        return Problem(Reason.NOTHING_TO_RUN, "the job has no tasks: there is nothing to run")
    if path := cycle(spec.tasks or []):
        return Problem(Reason.DEPENDENCY_CYCLE, f"tasks depend on each other: {' -> '.join(path)}")
    if spec.schedule:
        try:
            Schedule.parse(spec.schedule, spec.time_zone)
        except InvalidScheduleError as error:
            return Problem(Reason.INVALID_SCHEDULE, str(error))
    return None

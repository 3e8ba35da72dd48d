"""Pure: what keeps a Job from running, in a message for its owner."""

from __future__ import annotations

from icefield_crds import Job, ObjectMeta, Reason, Run
from icefield_crds.dag import cycle
from icefield_crds.problems import describe_missing_flavor, execution_problem
from icefield_crds.schedule import InvalidScheduleError, Schedule, time_zone_of
from icefield_crds.stored_size import size_problem
from icefield_operator.problem import Problem, describe_missing_workspace

from . import build
from .resolve import JobFacts


def find_problem(facts: JobFacts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    spec = facts.job.spec
    if facts.workspace is None:
        message = describe_missing_workspace(facts.job.metadata.namespace or "")
        return Problem(Reason.WORKSPACE_NOT_FOUND, message)
    if blocked := facts.workspace.blocked:
        return Problem(Reason.WORKSPACE_NOT_READY, blocked, stalled=False)
    if not spec.has_work:
        return Problem(Reason.NOTHING_TO_RUN, "the job has no tasks: there is nothing to run")
    if facts.maintained_by:
        message = f"job {facts.maintained_by} maintains the same already; delete one of the two"
        return Problem(Reason.ALREADY_MAINTAINED, message)
    if path := cycle(spec.tasks or []):
        return Problem(Reason.DEPENDENCY_CYCLE, f"tasks depend on each other: {' -> '.join(path)}")
    if impossible := execution_problem(spec) or _problem_of_run(facts.job):
        return Problem(Reason.INVALID_SPEC, f"no run of the job can start: {impossible}")
    try:
        time_zone_of(spec.time_zone)
        if spec.schedule:
            Schedule.parse(spec.schedule, spec.time_zone)
    except InvalidScheduleError as error:
        return Problem(Reason.INVALID_SCHEDULE, str(error))
    if facts.missing_flavor:
        missing = describe_missing_flavor(facts.missing_flavor, facts.known_flavors)
        return Problem(Reason.FLAVOR_NOT_FOUND, missing)
    return None


def _problem_of_run(job: Job) -> str | None:
    return size_problem(Run(metadata=ObjectMeta(name=job.metadata.name), spec=build.run_spec(job)))

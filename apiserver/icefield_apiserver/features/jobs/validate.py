"""Checks of a job, each problem as one sentence for the caller. Pure."""

from __future__ import annotations

from icefield_apiserver.core.execution_checks import problem_of_execution
from icefield_crds import JobSpec
from icefield_crds.schedule import InvalidScheduleError, Schedule, UnknownTimeZoneError, time_zone_of


def problem_of_job(spec: JobSpec) -> str | None:
    """Return what is wrong with a job, or None."""
    if spec.command is None and spec.tasks is None and spec.maintenance is None:
        return "A job needs a command or tasks."
    try:
        time_zone_of(spec.time_zone)
        if spec.schedule is not None:
            Schedule.parse(spec.schedule, spec.time_zone)
    except UnknownTimeZoneError as error:
        return f"Field time_zone: {error.name!r} is unknown."
    except InvalidScheduleError as error:
        return f"Field {error}."
    return problem_of_execution(spec)

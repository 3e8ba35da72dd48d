"""Checks of a job, each problem as one sentence for the caller. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from icefield_apiserver.core.execution_checks import problem_of_execution
from icefield_crds import JobSpec

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_FIELDS = 5


def problem_of_job(spec: JobSpec) -> str | None:
    """Return what is wrong with a job, or None."""
    if spec.command is None and spec.tasks is None:
        return "A job needs a command or tasks."
    if spec.schedule is not None and not _is_cron(spec.schedule):
        return f"Field schedule: {spec.schedule!r} is not a cron expression of five fields."
    return problem_of_execution(spec)


def _is_cron(schedule: str) -> bool:
    if len(schedule.split()) != _FIELDS:
        return False
    try:
        CronSim(schedule, _ANY_TIME)
    except CronSimError:
        return False
    return True

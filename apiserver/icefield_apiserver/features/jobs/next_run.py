"""When the schedule of a job starts the next run. Pure."""

from __future__ import annotations

from datetime import datetime

from icefield_crds import Job
from icefield_crds.schedule import InvalidScheduleError, Schedule


def next_run_at(job: Job, now: datetime) -> datetime | None:
    """Return when the schedule of a job starts the next run, in UTC; None when it starts none.

    The operator's answer counts where it is about the newest spec and to come; else the schedule does.
    """
    spec, status = job.spec, job.status
    if spec.schedule is None or spec.suspend:
        return None
    if status and status.observed_generation == job.metadata.generation:
        told = status.next_schedule_time
        if told is None or told > now:
            return told
    try:
        return Schedule.parse(spec.schedule, spec.time_zone).after(now)
    except InvalidScheduleError:
        return None

"""When the schedule of a job starts the next run. Pure."""

from __future__ import annotations

from datetime import datetime

from icefield_crds import Job
from icefield_crds.schedule import InvalidScheduleError, Schedule


def next_run_at(job: Job, now: datetime) -> datetime | None:
    """Return when the schedule of a job starts the next run, in UTC; None when it starts none.

    The status counts where it is about the newest spec and still ahead; otherwise it is computed from the schedule.
    """
    spec, status = job.spec, job.status
    if spec.schedule is None or spec.suspend:
        return None
    if status and status.observed_generation == job.metadata.generation:
        observed = status.next_schedule_time
        if observed is None or observed > now:
            return observed
    try:
        return Schedule.parse(spec.schedule, spec.time_zone).after(now)
    except InvalidScheduleError:
        return None

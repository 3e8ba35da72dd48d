"""Pure: for which time of its schedule a Job is to start a run now, and which times started none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from icefield_crds import Job, Reason, Run, SkippedSchedule, format_time
from icefield_crds.schedule import Schedule

STARTING_DEADLINE = timedelta(hours=1)
"""How late a scheduled run may still be started: an outage in the night must not cost the nightly run, but one from
yesterday has no use."""
MAX_COUNTED = 1000
"""How many missed times of one outage are counted; more are not told apart."""


class Skip(NamedTuple):
    """Times of a schedule, one after the other, that started no run."""

    schedule: SkippedSchedule
    times: int
    """How many."""


class Due(NamedTuple):
    """What a schedule requires now."""

    start: datetime | None
    """The time for which a run is to be started."""
    missed: Skip | None
    """The times before it that started none, and cannot any more."""


NOTHING = Due(None, None)


def due(job: Job, schedule: Schedule, now: datetime) -> Due:
    """Return what a job's schedule requires now.

    A time is due that was promised (status.nextScheduleTime) and that the schedule still names. So neither an edited
    schedule nor the end of a suspension starts runs for the past, or reports them as missed. Of several times only the
    latest is started, if that is not too late.
    """
    promised = promised_time(job, schedule, now)
    if promised is None or promised > now or not schedule.names(promised):
        return NOTHING
    latest = schedule.latest(now) or promised
    if now - latest > STARTING_DEADLINE:
        return Due(None, _missed(schedule, promised, latest, f"more than {_hours(STARTING_DEADLINE)} passed"))
    before = schedule.before(latest)
    if before is None or before < promised:
        return Due(latest, None)
    return Due(
        latest, _missed(schedule, promised, before, f"only the latest time, {format_time(latest)}, is made up for")
    )


def promised_time(job: Job, schedule: Schedule, now: datetime) -> datetime | None:
    """Return the time for which a run was promised; None where none was."""
    return job.status.next_schedule_time if job.status else schedule.after(job.metadata.creation_timestamp or now)


def forbidden(moment: datetime, earlier: Sequence[Run]) -> Skip:
    """Return that a time is left out for runs that have not ended (at least one)."""
    others = f" and {len(earlier) - 1} more have" if len(earlier) > 1 else " has"
    message = (
        f"left out {format_time(moment)}: run {earlier[0].metadata.name}{others} not ended, and the job's "
        "concurrencyPolicy is Forbid"
    )
    return Skip(SkippedSchedule(time=moment, reason=Reason.RUN_ALREADY_ACTIVE, message=message), 1)


def name_taken(moment: datetime, name: str) -> Skip:
    """Return that a time is left out for a Run of another owner that has the name."""
    message = f"left out {format_time(moment)}: a run that is not this job's has the name {name}"
    return Skip(SkippedSchedule(time=moment, reason=Reason.NAME_TAKEN, message=message), 1)


def _missed(schedule: Schedule, first: datetime, last: datetime, why: str) -> Skip:
    count = schedule.count(first, last, MAX_COUNTED)
    if count == 1:
        message = f"missed {format_time(last)}: the operator made no pass over the job then, and {why}"
    else:
        number = f"{count} or more" if count == MAX_COUNTED else count
        message = (
            f"missed {number} times from {format_time(first)} to {format_time(last)}: the operator made no pass over "
            f"the job then, and {why}"
        )
    return Skip(SkippedSchedule(time=last, reason=Reason.MISS_SCHEDULE, message=message), count)


def _hours(duration: timedelta) -> str:
    return f"{duration // timedelta(hours=1)} h"

"""For which time of its schedule a job starts a run, and which times are reported as missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import Job, JobStatus
from icefield_crds.schedule import Schedule
from icefield_operator.job.due import MAX_COUNTED, due


def at(text: str) -> datetime:
    """Return a moment of one day, in UTC."""
    return datetime.fromisoformat(f"2026-03-02T{text}").replace(tzinfo=UTC)


def job(promised: str | None, *, created: str = "08:00") -> Job:
    """Return a Job for which a pass promised a time; None when there was no pass yet."""
    metadata = {"name": "etl", "namespace": "icefield-demo", "creationTimestamp": at(created)}
    status = None if promised is None else {"nextScheduleTime": at(promised)}
    return Job.model_validate({"metadata": metadata, "spec": {"command": "true"}, "status": status})


EVERY_TEN = "*/10 * * * *"


@pytest.mark.parametrize(
    ("schedule", "promised", "now", "start", "missed"),
    [
        pytest.param(EVERY_TEN, "10:10", "10:09:59", None, None, id="not yet"),
        pytest.param(EVERY_TEN, "10:10", "10:10:00", "10:10", None, id="on time"),
        pytest.param(EVERY_TEN, "10:10", "10:19:59", "10:10", None, id="late, before the next time"),
        pytest.param(EVERY_TEN, "10:10", "10:20:01", "10:20", ("10:10", 1), id="a pass late by one time"),
        pytest.param(EVERY_TEN, "10:10", "11:35", "11:30", ("11:20", 8), id="an outage"),
        pytest.param("0 9 * * *", "09:00", "10:00", "09:00", None, id="at the end of the starting deadline"),
        pytest.param("0 9 * * *", "09:00", "10:01", None, ("09:00", 1), id="beyond the starting deadline"),
        pytest.param("0 8-9 * * *", "08:00", "23:00", None, ("09:00", 2), id="several beyond it"),
        pytest.param("5 * * * *", "10:10", "10:12", None, None, id="promised by an earlier schedule"),
        pytest.param(EVERY_TEN, None, "08:09", None, None, id="new"),
        pytest.param(EVERY_TEN, None, "08:25", "08:20", ("08:10", 1), id="new, and no pass for a while"),
    ],
)
def test_what_is_due(
    schedule: str, promised: str | None, now: str, start: str | None, missed: tuple[str, int] | None
) -> None:
    found = due(job(promised), Schedule.parse(schedule, None), at(now))
    assert found.start == (at(start) if start else None)
    skip = found.missed
    assert (skip and (skip.schedule.time, skip.times)) == (missed and (at(missed[0]), missed[1]))


def test_a_job_that_was_suspended_has_missed_nothing() -> None:
    resumed = job("10:10").model_copy(
        update={"status": job("10:10").status.model_copy(update={"next_schedule_time": None})}
    )
    assert due(resumed, Schedule.parse(EVERY_TEN, None), at("12:00")) == (None, None)


@pytest.mark.parametrize(
    ("schedule", "promised", "now", "message"),
    [
        (
            EVERY_TEN,
            "10:10",
            "10:20",
            "missed 2026-03-02T10:10:00Z: the operator made no pass over the job then, and only the latest time, "
            "2026-03-02T10:20:00Z, is made up for",
        ),
        (
            "0 8-9 * * *",
            "08:00",
            "23:00",
            "missed 2 times from 2026-03-02T08:00:00Z to 2026-03-02T09:00:00Z: the operator made no pass over the job "
            "then, and more than 1 h passed",
        ),
    ],
)
def test_the_message_says_what_was_missed(schedule: str, promised: str, now: str, message: str) -> None:
    found = due(job(promised), Schedule.parse(schedule, None), at(now)).missed
    assert found
    assert found.schedule.message == message


def test_what_a_long_outage_missed_is_counted_to_a_limit() -> None:
    found = due(job("08:00"), Schedule.parse("* * * * *", None), at("08:00") + timedelta(days=300)).missed
    assert found
    assert found.times == MAX_COUNTED
    assert f"missed {MAX_COUNTED} or more times" in found.schedule.message


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["59 1-3 * * *", "30 2 * * *"])
def test_every_time_of_a_year_is_started_also_when_the_clocks_change(expression: str, zone: str) -> None:
    schedule = Schedule.parse(expression, zone)
    moment, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    while (moment := schedule.after(moment) or end) < end:
        promised = job("08:00").model_copy(update={"status": JobStatus(next_schedule_time=moment)})
        assert due(promised, schedule, moment + timedelta(seconds=1)) == (moment, None)

"""Schedules: cron expressions, time zones, and what is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds.schedule import InvalidScheduleError, Schedule, minute_of


def at(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_are_those_of_the_time_zone() -> None:
    paris = Schedule.parse("0 9 * * *", "Europe/Paris")
    assert paris.after(at("2026-01-10T12:00")) == at("2026-01-11T08:00")
    assert paris.after(at("2026-07-10T12:00")) == at("2026-07-11T07:00")
    assert Schedule.parse("@daily", None).after(at("2026-01-10T12:00")) == at("2026-01-11T00:00")


def test_a_day_without_that_hour_runs_just_after_and_a_day_with_two_runs_once() -> None:
    nightly = Schedule.parse("30 2 * * *", "Europe/Paris")
    assert nightly.after(at("2026-03-28T12:00")) == at("2026-03-29T01:00")
    assert nightly.after(at("2026-10-24T12:00")) == at("2026-10-25T00:30")
    assert nightly.after(at("2026-10-25T00:30")) == at("2026-10-26T01:30")


@pytest.mark.parametrize(
    "expression", ["59 1-3 * * *", "30 * * * *", "*/20 * * * *", "15 2 * * *", "15 1-2 * * *", "0 0,2 * * *"]
)
@pytest.mark.parametrize(
    ("zone", "back"), [("Europe/Berlin", "2026-10-25T01:00"), ("America/New_York", "2026-11-01T06:00")]
)
def test_where_one_looks_from_does_not_matter_in_an_hour_that_comes_twice(
    expression: str, zone: str, back: str
) -> None:
    schedule, moment = Schedule.parse(expression, zone), at(back) - timedelta(days=2)
    times = []
    while (moment := schedule.after(moment) or at("2027-01-01T00:00")) < at(back) + timedelta(days=2):
        times.append(moment)
    for minutes in range(-120, 300, 7):
        moment = at(back) + timedelta(minutes=minutes)
        assert schedule.after(moment) == min(time for time in times if time > moment), moment
        assert schedule.before(moment) == max(time for time in times if time < moment), moment


def test_the_latest_time_includes_this_minute() -> None:
    hourly = Schedule.parse("15 * * * *", None)
    assert hourly.latest(at("2026-01-10T12:15:00")) == at("2026-01-10T12:15")
    assert hourly.latest(at("2026-01-10T12:15:59")) == at("2026-01-10T12:15")
    assert hourly.latest(at("2026-01-10T12:14:59")) == at("2026-01-10T11:15")


def test_which_moments_a_schedule_names() -> None:
    hourly = Schedule.parse("15 * * * *", None)
    assert hourly.names(at("2026-01-10T12:15"))
    assert not hourly.names(at("2026-01-10T12:16"))


@pytest.mark.parametrize(
    ("expression", "zone", "complaint"),
    [
        ("* * * *", None, "five fields"),
        ("* * * * * *", None, "five fields"),
        ("", None, "five fields"),
        ("@reboot", None, "five fields"),
        ("61 * * * *", None, "bad minute"),
        ("0 0 30 2 *", None, "bad day-of-month"),
        ("0 0 * * *", "Mars/Olympus", "time zone 'Mars/Olympus' is unknown"),
        ("0 0 * * *", "../etc/passwd", "is unknown"),
        ("0 0 * * *", "Europe", "is unknown"),
    ],
)
def test_an_invalid_schedule_is_reported(expression: str, zone: str | None, complaint: str) -> None:
    with pytest.raises(InvalidScheduleError, match=complaint):
        Schedule.parse(expression, zone)


def test_minutes_tell_times_apart() -> None:
    assert minute_of(at("1970-01-01T00:02:59")) == 2

"""Pure: when a schedule starts runs, as a CronJob does.

Source: kubernetes/kubernetes v1.34, pkg/controller/cronjob/cronjob_controllerv2.go. As there, of several missed times
only the latest is started.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

LONGEST_REPEATED = timedelta(hours=3)
"""More than the clocks are ever set back. Started in the second passage of a repeated hour, CronSim 2.8 yields times
that have passed, and backwards leaves them out; started before the hour, it is right."""
_FIELDS = 5
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class InvalidScheduleError(ValueError):
    """The expression is invalid; the message explains why."""


class UnknownTimeZoneError(InvalidScheduleError):
    """There is no such time zone.

    Args:
        name: of the time zone.
    """

    def __init__(self, name: str | None) -> None:
        super().__init__(f"time zone {name!r} is unknown")
        self.name = name


@dataclass(frozen=True)
class Schedule:
    """A cron expression of five fields in a time zone."""

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, expression: str, time_zone: str | None) -> Schedule:
        """Return the schedule that a job declares.

        Args:
            expression: five fields (minute, hour, day of month, month, day of week), or a macro such as @daily.
            time_zone: an IANA name; UTC when None.

        Raises:
            InvalidScheduleError: it is not one, or never matches.
        """
        text = _MACROS.get(expression.strip().lower(), expression.strip())
        if len(text.split()) != _FIELDS:
            raise InvalidScheduleError(
                f"schedule {expression!r} is not a cron expression of five fields: minute, hour, day of month, month, "
                "day of week"
            )
        schedule = cls(text, time_zone_of(time_zone))
        try:
            upcoming = schedule.after(datetime.now(UTC))
        except CronSimError as error:
            raise InvalidScheduleError(
                f"schedule {expression!r} is not a cron expression: {str(error).lower()}"
            ) from error
        if upcoming is None:
            raise InvalidScheduleError(f"schedule {expression!r} never matches")
        return schedule

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment, in UTC; None when there is none in the next fifty years."""
        return next(self._after_each(moment), None)

    def names(self, moment: datetime) -> bool:
        """Return whether a moment (a whole minute) is one of the schedule's times."""
        return self.after(moment - timedelta(seconds=1)) == moment

    def latest(self, now: datetime) -> datetime | None:
        """Return the last time up to now, in UTC; None when there was none in the last fifty years."""
        # Backwards from the next minute: what falls into this one counts as now.
        return self.before(now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1))

    def before(self, moment: datetime) -> datetime | None:
        """Return the last time before a moment (a whole minute), in UTC; None when there was none in fifty years."""
        earlier = moment - LONGEST_REPEATED
        backwards = CronSim(self.expression, earlier.astimezone(self.zone), reverse=True)
        first = next((time for time in (each.astimezone(UTC) for each in backwards) if time < earlier), None)
        times = takewhile(lambda time: time < moment, self._from((first or earlier) - timedelta(minutes=1)))
        return max(times, default=None)

    def count(self, first: datetime, last: datetime, limit: int) -> int:
        """Return how many times there are from one of the schedule's times to another, at most `limit`."""
        return 1 + sum(1 for _ in islice(takewhile(lambda time: time <= last, self._after_each(first)), limit - 1))

    def _after_each(self, moment: datetime) -> Iterator[datetime]:
        return (time for time in self._from(moment - LONGEST_REPEATED) if time > moment)

    def _from(self, start: datetime) -> Iterator[datetime]:
        """Yield the times from a start on that is not between the two passages of a repeated hour."""
        return (time.astimezone(UTC) for time in CronSim(self.expression, start.astimezone(self.zone)))


def minute_of(moment: datetime) -> int:
    """Return the minutes since the epoch: the part of the name that distinguishes the runs of a schedule."""
    return int(moment.timestamp()) // 60


def time_zone_of(name: str | None) -> ZoneInfo:
    """Return the time zone of an IANA name; UTC when None.

    Raises:
        UnknownTimeZoneError: there is none of that name.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZoneError(name) from error

#!/usr/bin/env bash
# CronSim: when the clocks are set back, the next time may be one that has passed, and the last one may be left out.
#
# Versions   cronsim 2.8, tzdata 2026.6, Python's zoneinfo
# Expected   From any moment on, CronSim(expression, moment) yields times after it, and with reverse=True times before
#            it; from which moment one looks does not change which times there are.
# Seen       Berlin and New York, autumn 2026. Begun before the hour that comes twice, `59 1-3 * * *` yields each time
#            once, and `15 2 * * *` the first passage only. Begun in the second passage, both yield their time of the
#            first one, which has passed, before any other. Backwards from the second passage, `59 1-3` leaves out that
#            time and yields the one before.
#            Expressions whose hours are `*` are right in every direction.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cronsim==2.8 tzdata==2026.6
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def first(expression: str, zone: str, moment: str, *, backwards: bool = False) -> str:
    start = datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    found = next(CronSim(expression, start, reverse=backwards))
    return found.astimezone(UTC).strftime("%dT%H:%M")


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
for expression, zone, moment, backwards, seen in (
    # Before the second passage, which begins at 01:00 UTC in Berlin and at 06:00 UTC in New York.
    ("59 1-3 * * *", BERLIN, "2026-10-25T00:58", False, "25T00:59"),
    ("59 1-3 * * *", BERLIN, "2026-10-25T00:59", False, "25T02:59"),
    ("15 2 * * *", BERLIN, "2026-10-25T00:15", False, "26T01:15"),
    # In it.
    ("59 1-3 * * *", BERLIN, "2026-10-25T01:30", False, "25T00:59"),
    ("15 2 * * *", BERLIN, "2026-10-25T01:00", False, "25T00:15"),
    ("59 1-3 * * *", NEW_YORK, "2026-11-01T06:30", False, "01T05:59"),
    ("59 1-3 * * *", BERLIN, "2026-10-25T01:30", True, "24T23:59"),
    ("59 1-3 * * *", NEW_YORK, "2026-11-01T06:30", True, "31T07:59"),
    ("30 * * * *", BERLIN, "2026-10-25T01:10", False, "25T01:30"),
    ("30 * * * *", BERLIN, "2026-10-25T01:10", True, "25T00:30"),
):
    answer = first(expression, zone, moment, backwards=backwards)
    print(f"{expression} {zone}: {'before' if backwards else 'after'} {moment} UTC comes {answer}")
    assert answer == seen, seen
PYTHON

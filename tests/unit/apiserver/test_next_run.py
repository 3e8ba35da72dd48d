"""The next run that an answer tells is the spec's, whatever the operator has seen of it so far."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_apiserver.features.jobs.next_run import next_run_at
from icefield_crds import Job

PARIS = {"schedule": "30 2 * * *", "timeZone": "Europe/Paris"}
HOURLY = {"schedule": "@hourly"}


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def job(spec: dict[str, Any], *, observed: int | None = None, told: str | None = None) -> Job:
    """Return a job of generation 2 whose status is of another one, or of none."""
    status = {"observedGeneration": observed, "nextScheduleTime": told and f"{told}:00Z"} if observed else None
    metadata = {"name": "etl", "namespace": "icefield-demo", "uid": "u", "generation": 2}
    return Job.model_validate({"metadata": metadata, "spec": {"command": "x", **spec}, "status": status})


@pytest.mark.parametrize(
    ("spec", "now", "following"),
    [
        ({}, "2026-03-01T10:00", None),
        ({**HOURLY, "suspend": True}, "2026-03-01T10:00", None),
        ({"schedule": "never"}, "2026-03-01T10:00", None),
        ({**HOURLY, "timeZone": "Mars"}, "2026-03-01T10:00", None),
        (HOURLY, "2026-03-01T10:00", "2026-03-01T11:00"),
        (PARIS, "2026-03-28T00:00", "2026-03-28T01:30"),
        pytest.param(PARIS, "2026-03-28T12:00", "2026-03-29T01:00", id="no 02:30 on the day when summer begins"),
        (PARIS, "2026-03-29T12:00", "2026-03-30T00:30"),
        pytest.param(PARIS, "2026-10-24T12:00", "2026-10-25T00:30", id="the first 02:30 when summer ends"),
        pytest.param(PARIS, "2026-10-25T00:45", "2026-10-26T01:30", id="and not the second"),
    ],
)
def test_without_a_status_the_spec_says_when(spec: dict[str, Any], now: str, following: str | None) -> None:
    assert next_run_at(job(spec), at(now)) == (at(following) if following else None)


@pytest.mark.parametrize(
    ("observed", "told", "following"),
    [
        pytest.param(1, "2026-03-01T23:00", "2026-03-01T11:00", id="a status of an earlier spec does not count"),
        pytest.param(2, "2026-03-01T12:00", "2026-03-01T12:00", id="the operator's counts"),
        pytest.param(2, "2026-03-01T09:00", "2026-03-01T11:00", id="unless it has passed"),
        pytest.param(2, None, None, id="the operator starts none"),
    ],
)
def test_the_operators_time_counts_where_it_is_current(observed: int, told: str | None, following: str | None) -> None:
    wanted = at(following) if following else None
    assert next_run_at(job(HOURLY, observed=observed, told=told), at("2026-03-01T10:00")) == wanted

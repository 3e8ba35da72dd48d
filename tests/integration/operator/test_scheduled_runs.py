"""What a schedule starts, while jobs and runs are reconciled beside each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import Job, JobStatus
from icefield_crds.names import scheduled_run
from icefield_operator import lifecycle
from icefield_operator.job.schedule import minute_of

from .conftest import Place

pytestmark = pytest.mark.integration

NEVER = 86_400.0


@pytest.fixture(autouse=True)
def _without_resyncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens that the watches and the operator's own writes do not bring about."""
    monkeypatch.setattr(lifecycle, "FIRST_RESYNC", NEVER)


async def _job_that_is_due(place: Place, name: str, **spec: Any) -> tuple[Job, datetime]:
    """Create a Job whose schedule names the present minute, for which an operator before has announced a run."""
    moment = datetime.now(UTC).replace(second=0, microsecond=0)
    hourly = {"command": "true", "schedule": f"{moment.minute} * * * *"}
    job = Job.model_validate(await place.create("Job", hourly | spec, name))
    observed = JobStatus(next_schedule_time=moment, observed_generation=job.metadata.generation)
    await place.cluster.write_status(job, observed)
    return job, moment


async def test_a_run_that_a_schedule_made_starts_without_a_resync(place: Place, operators: Callable[..., Any]) -> None:
    _, moment = await _job_that_is_due(place, "etl")
    async with operators(resync_seconds=NEVER):
        run = scheduled_run("etl", minute_of(moment))
        await place.finished(run)
        await place.phase(run, "success")

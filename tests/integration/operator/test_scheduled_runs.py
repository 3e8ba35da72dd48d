"""What a schedule starts, while jobs and runs are reconciled beside each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import ConditionType, Job, Reason
from icefield_crds.names import scheduled_run
from icefield_crds.schedule import minute_of
from icefield_kube.errors import Conflict
from icefield_operator import lifecycle
from tests.eventually import eventually

from .conftest import Place

pytestmark = pytest.mark.integration

NEVER = 86_400.0


@pytest.fixture(autouse=True)
def _without_resyncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens that the watches and the operator's own writes do not bring about."""
    monkeypatch.setattr(lifecycle, "FIRST_RESYNC", NEVER)


@pytest.fixture
async def without_resyncs(operators: Callable[..., Any]) -> AsyncIterator[None]:
    """An operator in which nothing happens that its watches and its own writes do not bring about."""
    async with operators(resync_seconds=NEVER):
        yield


async def _create_hourly(place: Place, **spec: Any) -> datetime:
    """Create a Job whose schedule names the present minute; return that."""
    moment = datetime.now(UTC).replace(second=0, microsecond=0)
    await place.create("Job", {"command": "true", "schedule": f"{moment.minute} * * * *"} | spec, "etl")
    return moment


async def _promise(place: Place, moment: datetime) -> None:
    """Let the Job's schedule be due, as if a pass before had promised a run for this time."""

    async def is_written() -> bool:
        job = Job.model_validate(await place.cluster.get("Job", place.namespace, "etl"))
        if job.status is None or job.status.next_schedule_time is None:
            return False  # its workspace is not observed yet: that pass promises nothing, and would undo this
        with suppress(Conflict):
            return await place.cluster.write_status(job, job.status.model_copy(update={"next_schedule_time": moment}))
        return False

    await eventually(is_written)


@pytest.mark.usefixtures("without_resyncs")
async def test_a_run_that_a_schedule_made_starts_without_a_resync(place: Place) -> None:
    moment = await _create_hourly(place)
    await _promise(place, moment)
    run = scheduled_run("etl", minute_of(moment))
    await place.finished(run)
    await place.phase(run, "success")


@pytest.mark.usefixtures("without_resyncs")
async def test_a_run_that_is_replaced_is_cancelled_and_its_successor_waits_for_its_end(place: Place) -> None:
    moment = await _create_hourly(place, concurrencyPolicy="Replace")
    await place.create("Run", {"jobRef": {"name": "etl"}}, "earlier")
    pod = await place.started("earlier")
    await place.phase("earlier", "running")
    await _promise(place, moment)

    later = scheduled_run("etl", minute_of(moment))
    await eventually(lambda: place.cluster.get("Run", place.namespace, later))
    waiting = "waits until run earlier, which it replaces, has ended"
    await place.until(later, lambda run: run.status and run.status.error == waiting)
    assert await place.pods() == [pod]
    await eventually(lambda: _is_being_ended(place, pod))
    await place.kubelet.enforce_deadline(place.namespace, pod)
    earlier = await place.phase("earlier", "cancelled")
    assert earlier.status
    assert earlier.status.error == f"replaced by run {later}"
    ready = earlier.status.condition(ConditionType.READY)
    assert ready
    assert ready.reason == Reason.REPLACED
    assert earlier.spec.desired_state == "running"
    assert pod in await place.pods(), "its log can still be read"
    await place.finished(later)
    await place.phase(later, "success")


async def _is_being_ended(place: Place, pod: str) -> bool:
    found = await place.cluster.get("Pod", place.namespace, pod)
    return found is not None and found["spec"].get("activeDeadlineSeconds") == 1

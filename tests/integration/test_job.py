"""Jobs against a real API server: how they stand, and what their schedules start, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from icefield_crds import ConditionType, Job, JobStatus, Run, RunPhase, RunStatus
from icefield_crds.names import API_VERSION, scheduled_run
from icefield_crds.schedule import minute_of
from icefield_crds.workspace import DEFAULT_FLAVOR
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.controllers import Controllers
from icefield_operator.job import build
from icefield_operator.kinds import register_kinds
from icefield_operator.lifecycle import Operator
from icefield_operator.platform import Platform
from icefield_operator.settings import Settings
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import OwnCache, own_slug
from tests.integration.patient import PatientCluster

pytestmark = pytest.mark.integration

EVERY_MINUTE: dict[str, Any] = {"command": "true", "schedule": "* * * * *"}


@dataclass
class Place:
    """A workspace of a test's own; nothing but a test's operator works in it."""

    cluster: Cluster
    namespace: str

    async def create(self, name: str = "etl", *, promised: datetime | None = None, **spec: Any) -> Job:
        """Create a Job; `promised` is the time that an operator before has announced for its next run."""
        metadata = {"name": name, "namespace": self.namespace}
        made = await self.cluster.create({"apiVersion": API_VERSION, "kind": "Job", "metadata": metadata, "spec": spec})
        job = Job.model_validate(made)
        if promised is None:
            return job
        observed = JobStatus(next_schedule_time=promised, observed_generation=job.metadata.generation)
        await self.cluster.write_status(job, observed)
        return await self.job(name)

    async def job(self, name: str = "etl") -> Job:
        """Return a Job as it is now."""
        return Job.model_validate(await self.cluster.get("Job", self.namespace, name))

    async def runs(self) -> list[Run]:
        """Return all runs here."""
        return [Run.model_validate(run) for run in (await self.cluster.list("Run", self.namespace))[0]]

    async def until(self, check: Callable[[JobStatus], Any], name: str = "etl") -> JobStatus:
        """Return the status of a Job once it satisfies the check."""

        async def satisfied() -> JobStatus | None:
            status = (await self.job(name)).status
            return status if status and check(status) else None

        found: JobStatus = await eventually(satisfied)
        return found

    async def end(self, run: Run, phase: RunPhase) -> None:
        """Say that a run has this phase, as the reconciler of runs would."""
        await self.cluster.write_status(run, RunStatus(phase=phase))


@asynccontextmanager
async def running_operator(key: Path) -> AsyncIterator[None]:
    """Run an operator that knows Jobs only."""
    async with AsyncExitStack() as stack:
        cache = OwnCache()
        cluster = await Cluster.connect(cache)
        stack.push_async_callback(cluster.close)
        settings = Settings(
            runtime_image="runtime",
            tini_image="tini",
            warehouse_image="warehouse",
            polars_image="polars",
            polars_cloud_image="polars-cloud",
            run_token_private_key_file=key,
            health_port=0,
        )
        controllers = Controllers(cache)
        register_kinds(Platform(cluster, controllers, settings), ["job"])
        operator = Operator(settings, cluster, controllers)
        task = asyncio.create_task(operator.run())
        try:
            yield
        finally:
            operator.stop()
            await task


@pytest.fixture
async def place(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """A workspace, its namespace, and the flavor of whoever names none."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    slug = own_slug()
    cluster = await PatientCluster.connect(ClusterCache())
    flavor = {"cpu": "1", "memory": "1Gi"}
    await cluster.apply(
        {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": DEFAULT_FLAVOR}, "spec": flavor}
    )
    await cluster.create({"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": slug}, "spec": {}})
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"icefield-{slug}"}})
    yield Place(cluster, f"icefield-{slug}")
    await cluster.close()


def this_minute() -> datetime:
    """Return the beginning of the present minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


async def test_a_job_tells_how_it_stands(place: Place, tmp_path: Path) -> None:
    cycle = [{"key": "a", "command": "a", "dependsOn": ["b"]}, {"key": "b", "command": "b", "dependsOn": ["a"]}]
    async with running_operator(tmp_path):
        await place.create("good", command="true")
        await place.create("cyclic", tasks=cycle, schedule="* * * * *")
        await place.create("unpunctual", command="true", schedule="at noon")
        await place.until(lambda status: status.is_true(ConditionType.READY), "good")
        metadata = (await place.job("good")).metadata
        assert (metadata.annotations, metadata.finalizers) == ({}, [])
        cyclic = await place.until(lambda status: status.is_true(ConditionType.STALLED), "cyclic")
        observed = cyclic.condition(ConditionType.STALLED)
        assert observed
        assert (observed.reason, "a -> b -> a" in observed.message) == ("DependencyCycle", True)
        assert cyclic.next_schedule_time is None
        unpunctual = await place.until(lambda status: status.is_true(ConditionType.STALLED), "unpunctual")
        observed = unpunctual.condition(ConditionType.STALLED)
        assert observed
        assert observed.reason == "InvalidSchedule"
        mended = {"spec": {"tasks": [cycle[0] | {"dependsOn": []}]}}
        await place.cluster.merge_patch("Job", place.namespace, "cyclic", mended)
        await place.until(lambda status: status.is_true(ConditionType.READY), "cyclic")


async def test_a_job_counts_its_runs(place: Place, tmp_path: Path) -> None:
    await place.create(command="true")
    async with running_operator(tmp_path):
        run = {"apiVersion": API_VERSION, "kind": "Run", "metadata": {"name": "first", "namespace": place.namespace}}
        made = await place.cluster.create({**run, "spec": {"jobRef": {"name": "etl"}}})
        observed = await place.until(lambda status: status.active_runs == 1)
        assert observed.last_run
        assert (observed.last_run.name, observed.last_run.phase) == ("first", "pending")
        await place.end(Run.model_validate(made), RunPhase.SUCCESS)
        observed = await place.until(lambda status: status.active_runs == 0)
        assert observed.last_run
        assert observed.last_run.phase == "success"


async def test_what_was_promised_is_started_once_though_the_operator_was_away(place: Place, tmp_path: Path) -> None:
    # Several minutes were missed: the latest is made up for.
    job = await place.create(**EVERY_MINUTE, promised=this_minute() - timedelta(minutes=5), params={"a": "b"})
    before = this_minute()
    for _ in range(3):
        async with running_operator(tmp_path):
            observed = await place.until(lambda status: status.last_schedule_time and status.last_run)
    last = observed.last_schedule_time
    assert last
    assert before <= last <= this_minute()
    assert observed.next_schedule_time
    runs = await place.runs()
    # A minute may have started meanwhile, and then has its own run.
    assert {run.metadata.name for run in runs} <= {
        scheduled_run("etl", minute) for minute in range(minute_of(before), minute_of(this_minute()) + 1)
    }
    assert runs[0].spec.command == "true"
    assert runs[0].spec.params == {"a": "b"}
    assert runs[0].metadata.owner_references[0].uid == job.metadata.uid


async def test_a_run_that_an_operator_started_before_it_died_is_not_started_again(place: Place, tmp_path: Path) -> None:
    promised = this_minute()
    hourly = f"{promised.minute} * * * *"
    job = await place.create(command="true", schedule=hourly, promised=promised)
    made = await place.cluster.create(build.scheduled_run(job, "demo", promised))
    async with running_operator(tmp_path):
        observed = await place.until(lambda status: status.last_schedule_time is not None)
    assert observed.last_schedule_time == promised
    assert observed.next_schedule_time == promised + timedelta(hours=1)
    assert [run.metadata.uid for run in await place.runs()] == [made["metadata"]["uid"]]


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
async def test_the_concurrency_policy(place: Place, tmp_path: Path, policy: str) -> None:
    promised = this_minute()
    hourly = f"{promised.minute} * * * *"
    job = await place.create(command="true", schedule=hourly, concurrencyPolicy=policy, promised=promised)
    earlier = build.scheduled_run(job, "demo", promised - timedelta(hours=1))
    before, now = earlier["metadata"]["name"], scheduled_run("etl", minute_of(promised))
    await place.cluster.create(earlier)
    async with running_operator(tmp_path):
        observed = await place.until(lambda status: status.next_schedule_time == promised + timedelta(hours=1))
    runs = {run.metadata.name: run for run in await place.runs()}
    assert set(runs) == ({before} if policy == "Forbid" else {before, now})
    assert runs[before].replaced_by == (now if policy == "Replace" else None)
    assert runs[before].spec.desired_state == "running"
    assert observed.skipped_schedules == (1 if policy == "Forbid" else 0)


async def test_what_was_left_out_is_told_once_though_a_pass_is_repeated(place: Place, tmp_path: Path) -> None:
    promised = this_minute()
    hourly = f"{promised.minute} * * * *"
    job = await place.create(command="true", schedule=hourly, concurrencyPolicy="Forbid", promised=promised)
    await place.cluster.create(build.scheduled_run(job, "demo", promised - timedelta(hours=1)))
    message = f"run etl-{minute_of(promised) - 60} has not ended, and the job's concurrencyPolicy is Forbid"
    for _ in range(2):
        async with running_operator(tmp_path):
            observed = await place.until(lambda status: status.next_schedule_time == promised + timedelta(hours=1))
        assert observed.last_skipped_schedule
        assert observed.last_skipped_schedule.time == promised
        assert observed.last_skipped_schedule.message.endswith(message)
        assert observed.last_schedule_time is None
        # The process ended between the Event and the status.
        await place.cluster.write_status(await place.job(), JobStatus(next_schedule_time=promised))
    [event] = (await place.cluster.list("Event", place.namespace))[0]
    assert event["involvedObject"]["uid"] == job.metadata.uid
    assert (event["reason"], event["message"].endswith(message)) == ("RunAlreadyActive", True)


async def test_nothing_is_started_for_the_past(place: Place, tmp_path: Path) -> None:
    now = this_minute()
    long_ago = now - timedelta(hours=3)
    daily = f"{long_ago.minute} {long_ago.hour} * * *"
    await place.create("missed", command="true", schedule=daily, promised=long_ago)
    # The schedule was edited: it no longer names what was promised.
    await place.create("edited", command="true", schedule=daily, promised=now - timedelta(minutes=1))
    await place.create("resting", **EVERY_MINUTE, promised=now, suspend=True)
    observed: dict[str, JobStatus] = {}
    async with running_operator(tmp_path):
        tomorrow = long_ago + timedelta(days=1)
        for name in ("missed", "edited"):
            observed[name] = await place.until(lambda status: status.next_schedule_time == tomorrow, name)
        await place.until(lambda status: status.conditions and status.next_schedule_time is None, "resting")
    assert await place.runs() == []
    missed = observed["missed"].last_skipped_schedule
    assert missed
    assert (missed.time, missed.reason, "more than 1 h passed" in missed.message) == (long_ago, "MissSchedule", True)
    assert observed["edited"].last_skipped_schedule is None


async def test_a_schedule_runs_when_its_time_comes(place: Place, tmp_path: Path) -> None:
    async with running_operator(tmp_path):
        job = await place.create(**EVERY_MINUTE)
        created = job.metadata.creation_timestamp
        assert created
        observed = await place.until(lambda status: status.last_schedule_time is not None)
        assert observed.last_schedule_time
        assert observed.last_schedule_time > created
    runs = await place.runs()
    assert scheduled_run("etl", minute_of(observed.last_schedule_time)) in {run.metadata.name for run in runs}

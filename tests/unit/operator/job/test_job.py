"""Jobs: what is wrong, what their schedules start, and how they stand, without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest

from icefield_crds import (
    Condition,
    ConditionType,
    Job,
    JobStatus,
    Reason,
    Run,
    RunSpec,
    SkippedSchedule,
    Workspace,
    WorkspaceStatus,
    format_time,
)
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.job import build, resolve, status, validate
from icefield_operator.job.due import Skip, forbidden, name_taken
from icefield_operator.job.reconcile import RUNS_PAUSE, JobReconciler
from icefield_operator.job.resolve import JobFacts, JobRuns
from icefield_operator.problem import Problem
from icefield_operator.queue import Key

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo"}, "spec": {}})
CHAIN = [{"key": "a", "command": "a"}, {"key": "b", "command": "b", "dependsOn": ["a"]}]
CYCLE = [{"key": "a", "command": "a", "dependsOn": ["b"]}, {"key": "b", "command": "b", "dependsOn": ["a"]}]


INVALID = Reason.INVALID_SPEC


LEFT_BEHIND = WORKSPACE.model_copy(
    update={
        "status": WorkspaceStatus(
            conditions=[
                Condition(
                    type=ConditionType.READY,
                    status="False",
                    reason=Reason.DATA_LEFT_BEHIND,
                    message="objects of an earlier workspace are there",
                    last_transition_time=datetime(2026, 3, 1, tzinfo=UTC),
                )
            ]
        )
    }
)


def job(**spec: Any) -> Job:
    """Return a Job as the API serves it."""
    metadata = {"name": "etl", "namespace": "icefield-demo", "uid": "uid-etl", "generation": 2}
    return Job.model_validate({"metadata": metadata, "spec": spec})


def run_manifest(name: str, phase: str, *, created: int = 0, job_name: str = "etl", owner: str = "") -> dict[str, Any]:
    """Return a Run of a job, created so many minutes after ten."""
    owners = [{"apiVersion": "v", "kind": "Job", "name": job_name, "uid": owner, "controller": True}] if owner else []
    return {
        "kind": "Run",
        "metadata": {
            "name": name,
            "namespace": "icefield-demo",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": f"2026-03-01T10:{created:02}:00Z",
            "ownerReferences": owners,
        },
        "spec": {"jobRef": {"name": job_name}},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("spec", "workspace", "reason"),
    [
        ({"command": "true"}, WORKSPACE, None),
        ({"tasks": CHAIN, "schedule": "@hourly", "timeZone": "Asia/Tokyo"}, WORKSPACE, None),
        ({"command": "true"}, None, Reason.WORKSPACE_NOT_FOUND),
        ({"tasks": []}, WORKSPACE, Reason.NOTHING_TO_RUN),
        ({"tasks": CYCLE}, WORKSPACE, Reason.DEPENDENCY_CYCLE),
        (
            {"command": "x", "files": [{"path": f"f{n}", "content": "x" * 240_000} for n in range(4)]},
            WORKSPACE,
            INVALID,
        ),
        ({"command": "x", "params": {f"p{n}": "x" * 30_000 for n in range(5)}}, WORKSPACE, INVALID),
        ({"tasks": [{"key": f"t{n}", "command": "x" * 30_000} for n in range(43)]}, WORKSPACE, None),
        ({"tasks": [{"key": f"t{n}", "command": "x" * 30_000} for n in range(44)]}, WORKSPACE, INVALID),
        ({"command": "a\0b"}, WORKSPACE, INVALID),
        ({"command": "x", "params": {"a": "1", "A": "2"}}, WORKSPACE, INVALID),
        ({"command": "x", "files": [{"path": path, "content": ""} for path in ("a", "a/b")]}, WORKSPACE, INVALID),
        ({"command": "true", "schedule": "soon"}, WORKSPACE, Reason.INVALID_SCHEDULE),
        ({"command": "true", "schedule": "@daily", "timeZone": "Mars"}, WORKSPACE, Reason.INVALID_SCHEDULE),
        ({"command": "true", "timeZone": "Mars"}, WORKSPACE, Reason.INVALID_SCHEDULE),
        ({"maintenance": {"database": "sales"}}, WORKSPACE, None),
        ({"command": "true"}, LEFT_BEHIND, Reason.WORKSPACE_NOT_READY),
    ],
)
def test_what_is_wrong(spec: dict[str, Any], workspace: Workspace | None, reason: Reason | None) -> None:
    problem = validate.find_problem(JobFacts(job(**spec), workspace))
    assert (problem.reason if problem else None) is reason


def test_of_two_jobs_that_maintain_a_table_the_older_one_does() -> None:
    cache = ClusterCache()
    for number, (name, table) in enumerate((("first", "Orders"), ("second", "orders"), ("other", "o"))):
        spec = {"maintenance": {"database": "sales", "table": table}}
        metadata = {"name": name, "namespace": "icefield-demo", "uid": name, "resourceVersion": "1"}
        created = {"creationTimestamp": f"2026-03-01T10:{number:02}:00Z"}
        cache.record({"kind": "Job", "metadata": metadata | created, "spec": spec})
    runs = JobRuns(cache)
    rivals = {each.metadata.name: resolve.facts(each, cache, runs).maintained_by for each in cache.jobs()}
    assert rivals == {"first": None, "second": "first", "other": None}
    facts = JobFacts(job(maintenance={"database": "sales", "table": "orders"}), WORKSPACE, maintained_by="first")
    assert validate.find_problem(facts) == Problem(
        Reason.ALREADY_MAINTAINED, "job first maintains the same already; delete one of the two"
    )


def test_a_scheduled_run_of_maintenance_is_a_command() -> None:
    template = job(maintenance={"database": "sales"}, schedule="@daily")
    spec = build.scheduled_run(template, "demo", datetime(2026, 3, 1, tzinfo=UTC))["spec"]
    assert spec["command"] == "python maintain.py"
    assert [file["path"] for file in spec["files"]] == ["maintain.py", "plan.json"]
    assert "maintenance" not in spec


def test_a_missing_flavor_is_named_as_rest_names_it() -> None:
    facts = JobFacts(job(command="true"), WORKSPACE, missing_flavor="gpu.9", known_flavors=["cpu.2", "cpu.1"])
    problem = validate.find_problem(facts)
    assert problem == (Reason.FLAVOR_NOT_FOUND, "there is no flavor gpu.9; there are: cpu.1, cpu.2", True)


def test_the_flavors_of_a_job_are_those_of_its_tasks() -> None:
    assert job(command="x").spec.flavors("cpu.1") == {"cpu.1"}
    assert job(command="x", flavor="cpu.2").spec.flavors("cpu.1") == {"cpu.2"}
    dag = [{"key": "a", "command": "x", "flavor": "gpu.1"}, {"key": "b", "command": "x"}]
    assert job(tasks=dag).spec.flavors("cpu.1") == {"gpu.1", "cpu.1"}


def test_a_cycle_is_named() -> None:
    problem = validate.find_problem(JobFacts(job(tasks=CYCLE), WORKSPACE))
    assert problem
    assert "a -> b -> a" in problem.message


def test_a_scheduled_run_is_the_job_fixed() -> None:
    template = job(
        tasks=CHAIN, env=[{"name": "A", "value": "1"}], params={"day": "x"}, schedule="@daily", maxRetries=2, image="i"
    )
    manifest = build.scheduled_run(template, "demo", datetime(2026, 3, 1, tzinfo=UTC))
    assert manifest["metadata"]["name"] == "etl-29538720"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-etl"
    assert manifest["metadata"]["labels"]["icefield.dev/job"] == "etl"
    spec = RunSpec.model_validate(manifest["spec"])
    assert spec.job_ref
    assert spec.job_ref.name == "etl"
    assert (spec.tasks, spec.env, spec.params, spec.max_retries, spec.image) == (
        template.spec.tasks,
        template.spec.env,
        {"day": "x"},
        2,
        "i",
    )
    assert "schedule" not in manifest["spec"]
    assert "command" not in manifest["spec"]


def test_a_long_name_stays_a_name() -> None:
    template = job(command="true")
    long = template.model_copy(update={"metadata": template.metadata.model_copy(update={"name": "x" * 63})})
    names = {
        build.scheduled_run(long, "demo", datetime(2026, 3, day, tzinfo=UTC))["metadata"]["name"] for day in (1, 2)
    }
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_runs_of_a_job_are_its_own() -> None:
    cache = ClusterCache()
    runs = JobRuns(cache)
    leaving = run_manifest("leaving", "running", created=1)
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T11:00:00Z"
    for manifest in (
        run_manifest("second", "running", created=2, owner="uid-etl"),
        run_manifest("third", "pending", created=3),
        run_manifest("first", "success", created=1),
        leaving,
        run_manifest("of-an-earlier-etl", "running", created=9, owner="uid-before"),
        run_manifest("other", "running", created=9, job_name="report"),
    ):
        cache.record(manifest)
    facts = resolve.facts(job(command="true"), cache, runs)
    assert facts.newest_run
    assert (facts.newest_run.metadata.name, facts.active_runs) == ("third", 2)
    assert [run.metadata.name for run in runs.active(job(command="true"))] == ["second", "third"]
    cache.forget("Run", "icefield-demo", "third", None)
    ended = run_manifest("second", "success", created=2, owner="uid-etl")
    ended["metadata"]["resourceVersion"] = "2"
    cache.observe("MODIFIED", ended)
    facts = resolve.facts(job(command="true"), cache, runs)
    assert facts.newest_run
    assert (facts.newest_run.metadata.name, facts.newest_run.phase, facts.active_runs) == ("second", "success", 0)


def test_the_status_tells_of_runs_and_problems() -> None:
    newest = Run.model_validate(run_manifest("two", "running"))
    facts = JobFacts(job(command="true"), WORKSPACE, newest, 1)
    written = status.of(facts, None, last_schedule=None, next_schedule=NOW, now=NOW)
    assert written.last_run
    assert (written.last_run.name, written.last_run.phase, written.active_runs) == ("two", "running", 1)
    assert written.is_true(ConditionType.READY)
    problem = Problem(Reason.INVALID_SCHEDULE, "no")
    written = status.of(facts, problem, last_schedule=None, next_schedule=None, now=NOW)
    assert written.is_true(ConditionType.STALLED)
    assert not written.is_true(ConditionType.READY)
    assert written.to_api()["observedGeneration"] == 2


def test_the_status_keeps_and_counts_what_the_schedule_left_out() -> None:
    template = job(command="true", schedule="@hourly")

    def after(before: JobStatus | None, *skipped: Skip) -> JobStatus:
        facts = JobFacts(template.model_copy(update={"status": before}), WORKSPACE)
        return status.of(facts, None, last_schedule=None, next_schedule=NOW, skipped=skipped, now=NOW)

    earlier = [Run.model_validate(run_manifest(name, "running")) for name in ("one", "two")]
    missed = Skip(SkippedSchedule(time=NOW, reason=Reason.MISS_SCHEDULE, message="missed 4 times"), 4)
    first = after(None, missed, forbidden(NOW, earlier[:1]))
    assert first.skipped_schedules == 5
    assert first.to_api()["lastSkippedSchedule"] == {
        "time": "2026-03-01T10:00:00Z",
        "reason": "RunAlreadyActive",
        "message": "left out 2026-03-01T10:00:00Z: run one has not ended, and the job's concurrencyPolicy is Forbid",
    }
    assert after(first) == first
    second = after(first, forbidden(NOW, earlier))
    assert second.skipped_schedules == 6
    assert second.last_skipped_schedule
    assert "run one and 1 more have not ended" in second.last_skipped_schedule.message


def test_the_same_skipped_time_gives_the_same_event() -> None:
    template = job(command="true", schedule="@hourly")
    skipped = name_taken(NOW, "etl-1").schedule
    event = build.skipped_event(template, skipped, NOW)
    again = build.skipped_event(template, skipped, NOW + timedelta(minutes=3))
    assert event["metadata"] == again["metadata"]
    assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == "icefield-demo"
    assert (event["involvedObject"]["kind"], event["involvedObject"]["uid"]) == ("Job", "uid-etl")
    assert (event["type"], event["reason"]) == ("Warning", "NameTaken")
    other = build.skipped_event(template, name_taken(NOW + timedelta(minutes=1), "etl-2").schedule, NOW)
    assert other["metadata"]["name"] != event["metadata"]["name"]


def test_only_what_is_told_of_runs_may_wait() -> None:
    template = job(command="true")
    newest = Run.model_validate(run_manifest("two", "running"))
    without = status.of(JobFacts(template, WORKSPACE), None, last_schedule=None, next_schedule=None, now=NOW)
    template = template.model_copy(update={"status": without})
    with_run = status.of(
        JobFacts(template, WORKSPACE, newest, 1), None, last_schedule=None, next_schedule=None, now=NOW
    )
    assert status.is_only_about_runs(without, with_run)
    assert not status.is_only_about_runs(None, with_run)
    scheduled = status.of(
        JobFacts(template, WORKSPACE, newest, 1), None, last_schedule=NOW, next_schedule=None, now=NOW
    )
    assert not status.is_only_about_runs(without, scheduled)


@pytest.mark.parametrize(("later", "written"), [(1, 1), (2, 2), (-3600, 2)])
async def test_a_status_that_tells_only_of_runs_is_written_after_a_pause(later: int, written: int) -> None:
    cluster = AsyncMock(Cluster)
    reconciler = JobReconciler(cluster, ClusterCache())
    subject = job(command="true").model_copy(update={"status": JobStatus(active_runs=0)})
    await reconciler._write(subject, JobStatus(active_runs=1), NOW)
    due = await reconciler._write(subject, JobStatus(active_runs=2), NOW + timedelta(seconds=later))
    assert cluster.write_status.await_count == written
    assert due == (NOW + RUNS_PAUSE if written == 1 else None)


async def test_a_run_that_cannot_be_created_is_told_and_created_later() -> None:
    now = datetime.now(UTC)
    promised = now.replace(second=0, microsecond=0)
    cache = ClusterCache()
    cache.observe("ADDED", {"kind": "Workspace", **_manifest("demo", {})})
    cache.observe("ADDED", {"kind": "Flavor", **_manifest("cpu.1", {"cpu": "1", "memory": "1Gi"})})
    scheduled = _manifest("etl", {"command": "true", "schedule": "* * * * *"}, "icefield-demo")
    promised_text = format_time(promised)
    cache.observe("ADDED", {"kind": "Job", **scheduled, "status": {"nextScheduleTime": promised_text}})
    cluster = AsyncMock(spec=Cluster)
    cluster.create_or_adopt.side_effect = KubernetesError(422, "a webhook denied it")
    with pytest.raises(KubernetesError):
        await JobReconciler(cluster, cache).reconcile(Key(Kind.JOB, "icefield-demo", "etl"))
    written: JobStatus = cluster.write_status.await_args.args[1]
    ready = written.condition(ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", Reason.RUN_REFUSED)
    assert "a webhook denied it; it is tried again" in ready.message
    assert (written.next_schedule_time, written.last_schedule_time) == (promised, None)


def _manifest(name: str, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-03-01T10:00:00Z",
    }
    return {"metadata": metadata, "spec": spec}

"""Which runs start, in which order, and what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from icefield_crds import ConditionType, Job, Reason, Run
from icefield_crds.names import API_VERSION
from icefield_operator.run import unwritten
from tests.eventually import eventually

from .conftest import Place, RunningOperator, make_workspace

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("operator")]

Limit = Callable[[int], Awaitable[None]]


@pytest.fixture
def limit(place: Place, operator: RunningOperator) -> Limit:
    """Set how many runs may run; returns when the operator knows, which watches workspaces and runs apart."""

    async def set_limit(runs: int) -> None:
        await make_workspace(place.cluster, place.workspace, quotas={"maxRunningRuns": runs})

        async def is_known() -> bool:
            workspace = operator.cache.workspace(place.workspace)
            return workspace is not None and workspace.spec.quotas.max_running_runs == runs

        await eventually(is_known)

    return set_limit


def _admitted(run: Run) -> tuple[Any, ...] | None:
    found = run.status.condition(ConditionType.ADMITTED) if run.status else None
    return (found.status, found.reason, found.message) if found else None


async def test_runs_over_quota_wait_and_start_oldest_first(place: Place, limit: Limit) -> None:
    await limit(2)
    names = ["a", "b", "c", "d"]
    for name in names:
        await place.create("Run", {"command": "true"}, name)
    over = ("False", Reason.QUOTA_EXCEEDED, "waiting for its turn: max_running_runs=2, current=2")
    for name in ("c", "d"):
        run = await place.until(name, lambda run: _admitted(run) == over)
        assert run.status.error == over[2]
    for name in ("a", "b"):
        await place.pod(name)
    assert len(await place.pods()) == 2

    await place.finished("b")
    await place.phase("b", "success")
    await place.started("c")
    assert _admitted(await place.run("d")) == over
    await place.finished("a")
    await place.finished("c")
    await place.finished("d")
    await place.phase("d", "success")


async def test_a_raised_quota_lets_waiting_runs_in(place: Place, limit: Limit) -> None:
    await limit(0)
    await place.create("Run", {"command": "true"}, "patient")
    await place.until("patient", lambda run: (_admitted(run) or [None])[0] == "False")
    await limit(1)
    await place.finished("patient")
    await place.phase("patient", "success")


async def test_cancelling_a_waiting_run_lets_the_next_one_forward(place: Place, limit: Limit) -> None:
    await limit(1)
    for name in ("a", "b", "c"):
        await place.create("Run", {"command": "true"}, name)
    await place.started("a")
    await place.until("b", lambda run: (_admitted(run) or [None])[0] == "False")
    await place.cancel("b")
    run = await place.phase("b", "cancelled")
    assert run.status.tasks[0].status == "cancelled"
    await place.finished("a")
    await place.finished("c")
    await place.phase("c", "success")


async def test_deleting_a_running_run_makes_room(place: Place, limit: Limit) -> None:
    await limit(1)
    for name in ("a", "b"):
        await place.create("Run", {"command": "true"}, name)
    await place.started("a")
    await place.cluster.delete("Run", place.namespace, "a")
    await place.finished("b")
    await place.phase("b", "success")


async def test_a_run_of_a_job_takes_a_snapshot_and_belongs_to_it(place: Place) -> None:
    spec = {
        "tasks": [{"key": "only", "command": "echo $PARAM_DAY"}],
        "params": {"day": "monday", "x": "1"},
        "maxRetries": 1,
    }
    job = await place.create("Job", spec, "daily")
    await place.create("Run", {"jobRef": {"name": "daily"}, "params": {"day": "friday"}}, "first")
    pod = await place.pod("first", "only")
    env = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0]["env"]}
    assert (env["PARAM_DAY"], env["PARAM_X"]) == ("friday", "1")

    patch = {"spec": {"tasks": [{"key": "other", "command": "false"}]}}
    await place.cluster.merge_patch("Job", place.namespace, "daily", patch)
    await place.finished("first", "only")
    run = await place.phase("first", "success")
    assert run.status.snapshot.tasks[0].key == "only"
    assert run.status.snapshot.params == {"day": "friday", "x": "1"}
    manifest = await place.cluster.get("Run", place.namespace, "first")
    assert manifest is not None
    assert manifest["spec"] == {
        "jobRef": {"name": "daily"},
        "params": {"day": "friday"},
        "desiredState": "running",
    }
    assert [owner["uid"] for owner in manifest["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]


async def test_a_run_waits_for_its_job_and_its_flavor_to_appear(place: Place) -> None:
    flavor = f"cpu.{place.workspace}"
    await place.create("Run", {"jobRef": {"name": "late"}}, "early")
    run = await place.until("early", lambda run: run.status and run.status.error == "job late does not exist")
    assert run.phase == "pending"
    await place.create("Job", {"command": "true", "flavor": flavor}, "late")
    missing = f"there is no flavor {flavor}; there are: "
    await place.until("early", lambda run: (run.status.error or "").startswith(missing))

    async def job_is_ready(status: str) -> bool:
        job = Job.model_validate(await place.cluster.get("Job", place.namespace, "late"))
        ready = job.status.condition(ConditionType.READY) if job.status else None
        return ready is not None and ready.status == status

    await eventually(lambda: job_is_ready("False"))
    spec = {"cpu": 1, "memory": "64Mi"}
    await place.cluster.create(
        {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": flavor}, "spec": spec}
    )
    await place.finished("early")
    await place.phase("early", "success")
    await eventually(lambda: job_is_ready("True"))


async def test_a_job_that_appears_before_it_is_written_that_it_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unwritten, "PROGRESS_WRITES_A_SECOND", 0.1)
    await place.create("Run", {"jobRef": {"name": "soon"}}, "first")
    await asyncio.sleep(unwritten.LONGEST_DELAY_OF_ERROR.total_seconds() / 3)
    await place.create("Job", {"command": "true"}, "soon")
    await place.finished("first")
    run = await place.phase("first", "success")
    assert run.status.snapshot.command == "true"


async def test_a_run_that_cannot_start_does_not_hold_up_others(place: Place, limit: Limit) -> None:
    await limit(1)
    await place.create("Run", {"command": "true", "flavor": "cpu.nowhere"}, "a-stuck")
    await place.create("Run", {"command": "true"}, "b")
    await place.finished("b")
    await place.phase("b", "success")
    assert (await place.run("a-stuck")).phase == "pending"


async def test_a_job_without_tasks_has_nothing_to_run(place: Place) -> None:
    await place.create("Job", {"tasks": []}, "empty")
    await place.create("Run", {"jobRef": {"name": "empty"}}, "nothing")
    run = await place.phase("nothing", "failed")
    stalled = run.status.condition(ConditionType.STALLED)
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", Reason.NOTHING_TO_RUN)

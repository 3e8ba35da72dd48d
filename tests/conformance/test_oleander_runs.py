"""The published `oleanderhq-sdk`, unmodified: the state of a run, whatever it executes."""

from __future__ import annotations

import pytest
from oleander_sdk import Oleander, RunNotFoundError
from tests.workloads import Workloads

pytestmark = pytest.mark.conformance


async def test_a_run_from_submitted_to_complete(oleander: Oleander, workloads: Workloads) -> None:
    run_id = workloads.submit("result = pl.DataFrame({'n': [1]})")
    submitted = await oleander.get_run(run_id)
    assert submitted.id == run_id
    assert submitted.state in ("SUBMITTED", "RUNNING", "COMPLETE")
    assert submitted.queued_at is not None
    workloads.wait(run_id)
    run = await oleander.get_run(run_id)
    assert (run.state, run.error, run.tags) == ("COMPLETE", None, [])
    assert (run.type, run.mode) == ("polars", "script")
    assert run.started_at is not None
    assert run.ended_at is not None
    assert (run.duration or 0) > 0
    assert run.job.namespace == workloads.workspace
    assert run.pipeline.namespace == workloads.workspace


async def test_a_run_that_fails_and_one_that_is_cancelled(oleander: Oleander, workloads: Workloads) -> None:
    endless = workloads.submit("import time\ntime.sleep(3600)")
    failing = workloads.submit("raise ValueError('no flowers')")
    workloads.wait(failing)
    failed = await oleander.get_run(failing)
    assert failed.state == "FAIL"
    assert "no flowers" in str(failed.error)
    workloads.wait_until(endless, lambda run: run["status"] == "running")
    assert (await oleander.get_run(endless)).state == "RUNNING"
    workloads.cancel(endless)
    assert (await oleander.get_run(endless)).state == "ABORT"


async def test_a_run_of_a_job(oleander: Oleander, workloads: Workloads) -> None:
    run_id = workloads.scenario.start(command="true")
    workloads.wait(run_id)
    run = await oleander.get_run(run_id)
    assert (run.state, run.type) == ("COMPLETE", "command")


async def test_a_run_that_there_is_not(oleander: Oleander) -> None:
    with pytest.raises(RunNotFoundError) as missing:
        await oleander.get_run("run_000000000000")
    assert (missing.value.run_id, missing.value.status) == ("run_000000000000", 404)

"""The published `polnor` SDK, unmodified: jobs and runs."""

from __future__ import annotations

import secrets
from typing import Any

import polnor
import pytest
from polnor._client import Client, PolnorAPIError

pytestmark = pytest.mark.conformance


@pytest.fixture
def name() -> str:
    return f"sdk-{secrets.token_hex(3)}"


def test_a_dag_from_create_to_logs(sdk: Client, name: str) -> None:
    job = polnor.jobs.create(
        name=name,
        description="from the SDK",
        tasks=[
            {"key": "extract", "command": "echo extracted"},
            {"key": "load", "command": "echo loaded $GREETING", "depends_on": ["extract"], "max_retries": 1},
        ],
        env_vars={"GREETING": "hello"},
        timeout_seconds=600,
    )
    assert job["id"].startswith("job_")
    assert polnor.jobs.get(name)["id"] == job["id"]
    assert name in {listed["name"] for listed in polnor.jobs.list()}

    run_id = polnor.jobs.run(name)
    assert polnor.jobs.wait(run_id, timeout=120, poll_every=0.3)["status"] == "success"
    assert [(t["key"], t["status"], t["retry_count"]) for t in polnor.jobs.list_tasks(run_id)] == [
        ("extract", "success", 0),
        ("load", "success", 0),
    ]
    assert [line["message"] for line in polnor.jobs.logs(run_id, task_key="load")] == ["loaded hello"]
    assert [line["message"] for line in polnor.jobs.logs(run_id)] == ["extracted", "loaded hello"]

    polnor.jobs.delete(name)
    with pytest.raises(PolnorAPIError) as gone:
        polnor.jobs.get(name)
    assert gone.value.status == 404


def test_a_single_command_with_params(sdk: Client, name: str, platform: Any) -> None:
    polnor.jobs.create(name=name, command='echo "day=$PARAM_DAY"', image=platform.runtime_image)
    run_id = polnor.jobs.run(name, params={"day": "2026-06-01"})
    assert polnor.jobs.wait(run_id, timeout=120, poll_every=0.3)["status"] == "success"
    assert polnor.jobs.list_tasks(run_id) == []
    assert [line["message"] for line in polnor.jobs.logs(run_id, tail=5)] == ["day=2026-06-01"]


def test_cancel(sdk: Client, name: str, platform: Any) -> None:
    polnor.jobs.create(name=name, command="sleep 600", image=platform.runtime_image)
    run_id = polnor.jobs.run(name)
    polnor.jobs.cancel_run(run_id)
    polnor.jobs.cancel_run(run_id)
    assert polnor.jobs.wait(run_id, timeout=120, poll_every=0.3)["status"] == "cancelled"


def test_errors_carry_one_sentence(sdk: Client, name: str) -> None:
    with pytest.raises(PolnorAPIError) as unknown:
        polnor.jobs.get_run("run_000000000000")
    assert (unknown.value.status, '"error"' in unknown.value.body) == (404, True)
    with pytest.raises(PolnorAPIError) as cyclic:
        polnor.jobs.create(
            name=name,
            tasks=[
                {"key": "a", "command": "true", "depends_on": ["b"]},
                {"key": "b", "command": "true", "depends_on": ["a"]},
            ],
        )
    assert cyclic.value.status == 400

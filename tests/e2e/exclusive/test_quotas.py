"""Quotas and warm pools of the workspace that all tests share, which others would count against."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.scenarios import NAMESPACE, Scenario
from tests.workloads import ENDLESS, Workloads

pytestmark = pytest.mark.e2e


@pytest.fixture
def pool(workloads: Workloads) -> Iterator[Workloads]:
    """The workspace with whatever pool a test wants; afterwards the pool is as before."""
    size = workloads.spec()["sandboxes"]["warmPool"]["size"]
    yield workloads
    workloads.set_pool(size)


def test_quota_refuses_through_rest_and_queues_through_kubectl(scenario: Scenario) -> None:
    workspace = {"apiVersion": "icefield.dev/v1alpha1", "kind": "Workspace", "metadata": {"name": "demo"}}
    patch = ["patch", "workspaces.icefield.dev", "demo", "--type=merge", "-p"]
    before = json.loads(scenario.kubectl("get", "workspaces.icefield.dev", "demo", "-o", "json"))["spec"]["quotas"]
    scenario.kubectl(*patch, json.dumps({"spec": {"quotas": {"maxRunningRuns": 1}}}))
    try:
        job = scenario.job(tasks=[{"key": "t", "command": "sleep 600"}])
        first = scenario.run_of(job["id"])
        scenario.wait_until(first, lambda run: run["status"] == "running")
        refused = scenario.rest.post(f"/jobs/{job['id']}/run")
        assert refused.status_code == 429
        assert "max_running_runs=1, current=1" in refused.json()["error"]
        assert len(scenario.rest.get(f"/jobs/{job['id']}/runs").json()["data"]) == 1

        queued = {
            "apiVersion": workspace["apiVersion"],
            "kind": "Run",
            "metadata": {"generateName": "queued-", "namespace": NAMESPACE},
            "spec": {"command": "echo my turn"},
        }
        name = scenario.kubectl("create", "-f", "-", "-o", "name", stdin=queued).strip()
        scenario.kubectl("-n", NAMESPACE, "wait", "--for=condition=Admitted=False", "--timeout=60s", name)
        status = json.loads(scenario.kubectl("-n", NAMESPACE, "get", name, "-o", "json"))["status"]
        assert status["phase"] == "pending"
        assert any("max_running_runs=1, current=1" in c["message"] for c in status["conditions"])
        scenario.rest.post(f"/runs/{first}/cancel")
        scenario.kubectl("-n", NAMESPACE, "wait", "--for=condition=Complete", "--timeout=120s", name)
    finally:
        scenario.kubectl(*patch, json.dumps({"spec": {"quotas": before}}))


def test_the_warm_pool_is_claimed_refilled_and_drained(pool: Workloads) -> None:
    pool.rows("result = pl.DataFrame({'n': [1]})")
    pool.set_pool(1)
    [ready] = pool.wait_for_warm(1)
    run_id = pool.submit("result = pl.DataFrame({'n': [1]})")
    pool.wait(run_id)
    attempt = pool.resource(run_id)["status"]["tasks"][0]["attempts"][0]
    assert (attempt["podName"], attempt["podUid"]) == (ready["metadata"]["name"], ready["metadata"]["uid"])
    [next_one] = pool.wait_for_warm(1)
    assert next_one["metadata"]["uid"] != ready["metadata"]["uid"]
    pool.set_pool(3)
    pool.wait_for_warm(3)
    pool.set_pool(0)
    pool.wait_for_warm(0)
    assert pool.rows("result = pl.DataFrame({'n': [2]})") == [[2]]
    assert pool.warm() == []


def test_a_full_queue_refuses(workloads: Workloads) -> None:
    before = workloads.spec()["quotas"]
    workloads.patch({"quotas": {"maxRunningRuns": 1, "maxQueuedWorkloads": 1}})
    runs = []
    try:
        runs.append(workloads.submit(ENDLESS))
        workloads.wait_until(runs[0], lambda run: run["status"] == "running")
        runs.append(workloads.submit(ENDLESS))
        refused = workloads.post(mode="script", script=ENDLESS)
        assert refused.status_code == httpx.codes.TOO_MANY_REQUESTS, refused.text
        assert "max_queued_workloads=1, current=1" in refused.json()["error"]
        assert workloads.rest.get(f"/runs/{runs[1]}").json()["status"] == "pending"
    finally:
        workloads.patch({"quotas": before})
        workloads.cancel(*runs)

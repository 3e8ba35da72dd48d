"""Warm sandboxes on a node without room: whatever somebody starts goes before them, and their pool accepts that."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from icefield_crds import labels
from tests.e2e.injector import Injection, injecting, of_task
from tests.kubernetes_client import NODES, PODS
from tests.platform import Platform
from tests.workloads import ENDLESS, WARM, Workloads, made_workspace

pytestmark = pytest.mark.e2e

SLOT = "icefield.test/slot"
"""An extended resource of which the node has one, for the pods of this module alone: the room of others stays."""
START_SECONDS = 30
"""How soon a task starts for which a sandbox has to go: that has 5 s of grace."""
WORK_SECONDS = 10


@pytest.fixture(scope="module")
def place(platform: Platform) -> Iterator[Workloads]:
    """A workspace in which a warm sandbox and a task need the same slot."""
    made = made_workspace(platform, f"preemption-{secrets.token_hex(3)}")
    resources = "/spec/containers/0/resources"
    needs_slot = [
        {"op": "add", "path": f"{resources}/{kind}/{SLOT.replace('/', '~1')}", "value": "1"}
        for kind in ("requests", "limits")
    ]
    warm = Injection({labels.COMPONENT: labels.SANDBOX_COMPONENT}, needs_slot)
    with injecting(made.scenario, made.workspace, [warm, of_task("urgent", *needs_slot)]):
        try:
            set_slots(made, "1")
            made.set_pool(1)
            assert made.rows("result = pl.DataFrame({'n': [1]})") == [[1]], "a pool is kept where it is used"
            yield made
        finally:
            set_slots(made, None)
            platform.administrator().delete(f"/workspaces/{made.workspace}").raise_for_status()


def set_slots(place: Workloads, count: str | None) -> None:
    """Set how many slots the node has; None takes the resource away."""
    cluster = place.scenario.cluster
    [node] = cluster.names(NODES)
    status = {"capacity": {SLOT: count}, "allocatable": {SLOT: count}}
    cluster.patch(NODES, node, {"status": status}, subresource="status")


def sandboxes(place: Workloads) -> list[dict[str, Any]]:
    """The pods of the pool, whatever their state."""
    return place.scenario.cluster.list(PODS, place.namespace, WARM)


def until_running(place: Workloads, run_id: str) -> None:
    """Wait until a run has started."""
    place.wait_until(run_id, lambda run: run["status"] == "running", START_SECONDS)


def test_a_warm_sandbox_gives_way_to_a_task_and_comes_back_after_it(place: Workloads) -> None:
    [warm] = place.wait_for_warm(1)
    run_id = place.scenario.start(tasks=[{"key": "urgent", "command": f"sleep {WORK_SECONDS}"}])
    until_running(place, run_id)
    seen: dict[str, dict[str, Any]] = {}
    while place.rest.get(f"/runs/{run_id}").json()["status"] == "running":
        seen |= {pod["metadata"]["uid"]: pod for pod in sandboxes(place)}
        time.sleep(0.2)
    replacements = [pod for uid, pod in seen.items() if uid != warm["metadata"]["uid"]]
    assert len(replacements) == 1, "one waits for the next room"
    assert not replacements[0]["spec"].get("nodeName")
    run = place.wait(run_id)
    assert (run["status"], run["error"]) == ("success", None)
    assert place.scenario.tasks(run_id)["urgent"]["disruptions"] == 0
    [back] = place.wait_for_warm(1)
    assert back["metadata"]["uid"] == replacements[0]["metadata"]["uid"]


def test_a_workload_whose_sandbox_is_preempted_is_told_so(place: Workloads) -> None:
    """A pod keeps its priority, so a sandbox that was warm goes before a task even with a workload in it."""
    place.wait_for_warm(1)
    workload = place.submit(ENDLESS)
    until_running(place, workload)
    task = place.scenario.start(tasks=[{"key": "urgent", "command": "true"}])
    assert place.wait(task)["status"] == "success"
    run = place.wait(workload)
    assert run["status"] == "failed"
    assert run["error"].startswith("the pod was ended by the cluster: ")
    assert run["error"].endswith("the work may have begun, so this counts as a failure")

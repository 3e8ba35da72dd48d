"""Claims of sandboxes that start: whose they are, what happens when they do not become ready, what fills the pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds.names import pod_name
from icefield_kube.client import Manifest
from icefield_operator.pod_status import condition
from icefield_operator.sandbox import pool_plan
from tests.eventually import eventually

from .conftest import Place, RunningOperator
from .pools import filled, pool_of, submit, warm, with_workload
from .sandboxes import Node

pytestmark = pytest.mark.integration

START_FAILURE = {
    "state": "failed",
    "error": "the sandbox could not start: its worker was killed",
    "error_kind": "start",
}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that a test keeps from starting is not late, however slow the machine is."""
    monkeypatch.setattr(pool_plan, "START_PATIENCE", timedelta(minutes=10))


def _is_own(pod: Manifest) -> bool:
    return not pool_plan.is_of_pool(pod)


async def _starting(place: Place, node: Node, operator: RunningOperator, size: int = 2) -> set[str]:
    """Have a pool of which the operator knows that every sandbox has a node and is not started; return their names.

    Runs that are created from then on are younger than the operator to the second: of an older one it could not know
    whether the process before it dispatched the workload.
    """
    now = datetime.now(UTC)
    before = await filled(place, node, size)
    node.is_quick = _is_own
    for name in before:
        await node.vanish(name)

    async def scheduled() -> set[str] | None:
        names = {pod["metadata"]["name"] for pod in await warm(place)} - before
        known = [operator.cache.pod(place.namespace, name) for name in names]
        are_scheduled = all(pod and condition(pod, "PodScheduled").get("status") == "True" for pod in known)
        return names if len(names) == size and are_scheduled else None

    found: set[str] = await eventually(scheduled)
    await eventually(lambda: asyncio.sleep(0, datetime.now(UTC).replace(microsecond=0) > now))
    return found


async def _claimed(place: Place, run: str) -> str:
    found = await place.until(run, lambda run: run.status and run.status.tasks and run.status.tasks[0].attempts)
    name: str = found.status.tasks[0].attempts[0].pod_name
    return name


async def test_a_starting_sandbox_is_claimed_and_another_made_in_its_place(
    place: Place, node: Node, sandboxed: RunningOperator
) -> None:
    before = await _starting(place, node, sandboxed)
    uid = await submit(place, "second")
    claimed = await _claimed(place, "second")
    assert claimed in before

    async def is_refilled() -> bool:
        names = {pod["metadata"]["name"] for pod in await warm(place)}
        return len(names) == 2 and claimed not in names

    await eventually(is_refilled)
    assert node.of_run(uid) is None
    node.is_quick = lambda pod: True
    sandbox = await with_workload(node, uid)
    assert (sandbox.pod, sandbox.started) == (claimed, 1)
    sandbox.end()
    (task,) = (await place.phase("second", "success")).status.tasks
    assert (task.disruptions, len(task.attempts)) == (0, 1)


async def test_no_two_workloads_get_the_same_starting_sandbox(
    place: Place, node: Node, sandboxed: RunningOperator
) -> None:
    before = await _starting(place, node, sandboxed, 3)
    names = [f"r{number}" for number in range(6)]
    uids = await asyncio.gather(*(submit(place, name) for name in names))
    claimed = await asyncio.gather(*(_claimed(place, name) for name in names))
    assert len(set(claimed)) == 6
    assert before <= set(claimed)
    node.is_quick = lambda pod: True
    sandboxes = await asyncio.gather(*(with_workload(node, uid) for uid in uids))
    assert {sandbox.pod for sandbox in sandboxes} == set(claimed)
    for sandbox in sandboxes:
        sandbox.end()
    await asyncio.gather(*(place.phase(name, "success") for name in names))


async def test_a_claimed_sandbox_that_is_not_started_is_given_up(
    place: Place, node: Node, sandboxed: RunningOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await _starting(place, node, sandboxed)
    uid = await submit(place, "slow")
    claimed = await _claimed(place, "slow")
    assert claimed in before
    monkeypatch.setattr(pool_plan, "START_PATIENCE", timedelta(seconds=0))
    sandboxed.controllers.enqueue_all()
    sandbox = await with_workload(node, uid)
    assert sandbox.pod == pod_name("slow", "main", 1)
    node.is_quick = lambda pod: True
    await eventually(lambda: asyncio.sleep(0, claimed in node.sandboxes))
    sandbox.end()
    (task,) = (await place.phase("slow", "success")).status.tasks
    assert (task.disruptions, len(task.attempts), sandbox.started) == (1, 2, 1)
    assert node.sandboxes[claimed].workload is None


async def test_a_claimed_sandbox_that_dies_before_it_is_ready_is_a_disruption(
    place: Place, node: Node, sandboxed: RunningOperator
) -> None:
    await _starting(place, node, sandboxed)
    uid = await submit(place, "second")
    claimed = await _claimed(place, "second")
    await place.kubelet.finish(place.namespace, claimed, 1, message=json.dumps(START_FAILURE))
    sandbox = await with_workload(node, uid)
    assert sandbox.pod == pod_name("second", "main", 1)
    sandbox.end()
    (task,) = (await place.phase("second", "success")).status.tasks
    assert (task.disruptions, task.attempts[0].error) == (1, START_FAILURE["error"])


async def test_a_run_that_waits_for_a_starting_sandbox_can_be_cancelled(
    place: Place, node: Node, sandboxed: RunningOperator
) -> None:
    await _starting(place, node, sandboxed)
    uid = await submit(place, "stop")
    claimed = await _claimed(place, "stop")
    await place.cancel("stop")

    async def is_asked_to_end() -> bool:
        pod = await place.cluster.get("Pod", place.namespace, claimed)
        return pod is not None and pod["spec"].get("activeDeadlineSeconds") == 1

    await eventually(is_asked_to_end)
    await place.kubelet.enforce_deadline(place.namespace, claimed, ran=False)
    await place.phase("stop", "cancelled")
    assert node.of_run(uid) is None


async def test_a_claim_of_a_starting_sandbox_outlives_the_operator(
    place: Place, node: Node, operators: Callable[..., Any]
) -> None:
    async with operators(node.address) as first:
        before = await _starting(place, node, first)
        uid = await submit(place, "cut")
        claimed = await _claimed(place, "cut")
        assert claimed in before
    async with operators(node.address):
        node.is_quick = lambda pod: True
        sandbox = await with_workload(node, uid)
        assert (sandbox.pod, sandbox.started) == (claimed, 1)
        sandbox.end()
        await place.phase("cut", "success")
        assert claimed not in await pool_of(place, 2)

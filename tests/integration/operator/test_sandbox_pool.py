"""The pool of a workspace's warm sandboxes: when it is there, how large, and what replaces what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from icefield_operator.run import refusals
from icefield_operator.sandbox import pool_plan, pool_reconcile
from tests.eventually import eventually

from .conftest import Place, RunningOperator
from .pools import filled, pool_of, resize, submit, warm, with_workload
from .sandboxes import Node

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_plan, "FIRST_BACKOFF", timedelta(seconds=1))
    monkeypatch.setattr(pool_reconcile, "REFUSED_AGAIN", timedelta(seconds=1))
    monkeypatch.setattr(refusals, "LAST_DELAY", timedelta(seconds=1))


@pytest.mark.usefixtures("sandboxed")
async def test_nobody_needs_a_pool_before_the_first_workload(place: Place, node: Node) -> None:
    await place.create("Run", {"command": "true"}, "other")
    await place.finished("other")
    await place.phase("other", "success")
    assert await warm(place) == []


@pytest.mark.usefixtures("sandboxed")
async def test_a_pool_follows_its_size(place: Place, node: Node) -> None:
    before = await filled(place, node, 3)
    await resize(place, 1)
    assert await pool_of(place, 1) < before
    await resize(place, 0)
    await pool_of(place, 0)


async def test_a_pool_that_nobody_used_for_long_is_drained(
    place: Place, node: Node, sandboxed: RunningOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(place, node)
    wanted = pool_plan.wanted
    # Time passes.
    monkeypatch.setattr(
        pool_plan, "wanted", lambda workspace, use, now: wanted(workspace, use, now + timedelta(minutes=15))
    )
    sandboxed.controllers.enqueue_all()
    await pool_of(place, 0)
    monkeypatch.undo()
    (await with_workload(node, await submit(place, "next"))).end()
    await pool_of(place, 2)


@pytest.mark.usefixtures("sandboxed")
async def test_a_warm_sandbox_that_breaks_is_replaced(place: Place, node: Node) -> None:
    before = await filled(place, node)
    broken = next(iter(before))
    await node.finish(broken, 1)
    await eventually(lambda: _is_gone(place, broken))
    assert len(await pool_of(place, 2) & before) == 1


async def test_sandboxes_of_another_template_are_replaced(
    place: Place, node: Node, operators: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operators(node.address):
        before = await filled(place, node)
    async with operators(node.address, polars_image="localhost/icefield/polars:next"):
        assert not await _settled(place, 2, before) & before
        (pod, *_) = await warm(place)
        assert pod["spec"]["containers"][0]["image"] == "localhost/icefield/polars:next"


@pytest.mark.usefixtures("sandboxed")
async def test_a_deleted_workspace_keeps_no_pool(place: Place, node: Node) -> None:
    await filled(place, node)
    patch = {"metadata": {"finalizers": ["icefield.dev/workspace-cleanup"]}}
    await place.cluster.merge_patch("Workspace", None, place.workspace, patch)
    await place.cluster.delete("Workspace", None, place.workspace)
    await pool_of(place, 0)
    await place.cluster.merge_patch("Workspace", None, place.workspace, {"metadata": {"finalizers": None}})


@pytest.mark.usefixtures("sandboxed")
async def test_a_run_that_finds_no_room_gets_that_of_the_pool(place: Place, node: Node) -> None:
    await filled(place, node)
    await place.cluster.delete("Run", place.namespace, "first")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two", "namespace": place.namespace}}
    await place.cluster.apply({**quota, "spec": {"hard": {"pods": "2"}}})

    async def is_enforced() -> bool:
        found = await place.cluster.get("ResourceQuota", place.namespace, "two")
        return found is not None and found.get("status", {}).get("used", {}).get("pods") == "2"

    await eventually(is_enforced)
    large = {"query": "SELECT 1", "tables": [{"alias": "t", "table": "db.t"}], "vcpus": 4}
    uid = await submit(place, "large", **large)
    (await with_workload(node, uid)).end()
    await place.phase("large", "success")


async def _settled(place: Place, size: int, before: set[str]) -> set[str]:
    async def is_new() -> bool:
        return not {pod["metadata"]["name"] for pod in await warm(place)} & before

    await eventually(is_new)
    return await pool_of(place, size)


async def _is_gone(place: Place, name: str) -> bool:
    return await place.cluster.get("Pod", place.namespace, name) is None

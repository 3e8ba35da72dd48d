"""An operator that is killed at any moment: the next one loses no workload, and starts none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from icefield_crds import Run
from icefield_kube.client import Manifest
from icefield_kube.errors import Unreachable
from icefield_operator.cluster import Cluster
from icefield_operator.sandbox.client import SandboxClient
from tests.eventually import eventually

from .conftest import Place
from .pools import filled, pool_of, submit, with_workload
from .sandboxes import Node

pytestmark = pytest.mark.integration


async def test_between_the_claim_and_the_push(
    place: Place, node: Node, operators: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async with operators(node.address):
        before = await filled(place, node)
        with monkeypatch.context() as patched:
            patched.setattr(SandboxClient, "put", never)
            uid = await submit(place, "cut")
            run = await place.until("cut", _has_pod)
            claimed = run.status.tasks[0].attempts[0].pod_name
            assert claimed in before
    async with operators(node.address):
        sandbox = await with_workload(node, uid)
        assert sandbox.pod == claimed
        sandbox.end()
        await place.phase("cut", "success")
        assert claimed not in await pool_of(place, 2)


async def test_between_the_claim_and_the_status(
    place: Place, node: Node, operators: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> bool:
        await asyncio.Event().wait()
        return False

    async with operators(node.address):
        before = await filled(place, node)
        with monkeypatch.context() as patched:
            patched.setattr(Cluster, "write_status", never)
            uid = await submit(place, "cut")
            claimed = (await _pods_of(place, "cut"))[0]["metadata"]["name"]
            assert claimed in before
            assert node.of_run(uid) is None, "nothing is sent before it is written down whom it was given to"
    async with operators(node.address):
        sandbox = await with_workload(node, uid)
        assert sandbox.pod == claimed
        assert len(await _pods_of(place, "cut")) == 1


async def test_between_the_push_and_the_outcome(place: Place, node: Node, operators: Callable[..., Any]) -> None:
    async with operators(node.address):
        uid = await submit(place, "cut")
        sandbox = await with_workload(node, uid)
        await place.phase("cut", "running")
    async with operators(node.address):
        await eventually(lambda: asyncio.sleep(0, sandbox.received > 1))
        assert sandbox.started == 1
        sandbox.end()
        await place.phase("cut", "success")
        assert len(await _pods_of(place, "cut")) == 1


async def test_between_the_outcome_and_its_acknowledgement(
    place: Place, node: Node, operators: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async with operators(node.address):
        with monkeypatch.context() as patched:
            patched.setattr(SandboxClient, "acknowledge", never)
            sandbox = await with_workload(node, await submit(place, "cut"))
            sandbox.end()
            await place.phase("cut", "success")
    # It ends by itself after a while.
    await node.finish(sandbox.pod, 0, message=sandbox.message)
    async with operators(node.address):
        run = await place.phase("cut", "success")
        assert run.status.polars.row_count == 2


async def test_it_ends_while_there_is_no_operator(place: Place, node: Node, operators: Callable[..., Any]) -> None:
    async with operators(node.address):
        sandbox = await with_workload(node, await submit(place, "cut"))
        await place.phase("cut", "running")
    sandbox.end(state="failed", error="script line 1: ValueError: no", error_kind="script", error_line=1)
    await node.finish(sandbox.pod, 1, message=sandbox.message)
    async with operators(node.address):
        run = await place.phase("cut", "failed")
        assert run.status.error == "script line 1: ValueError: no"
        assert run.status.polars.error_line == 1


async def test_a_claim_whose_answer_is_lost(
    place: Place, node: Node, operators: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patch is done, the answer never comes, and the watch is slow: the same sandbox is found again."""
    patch, lost = Cluster.merge_patch, []

    async def loses(self: Cluster, kind: str, namespace: str | None, name: str, body: Manifest) -> Manifest:
        if kind == "Pod" and "ownerReferences" in body.get("metadata", {}) and not lost:
            lost.append(name)
            # Without a record of it: as if the connection had died.
            await place.cluster.merge_patch(kind, namespace, name, body)
            raise Unreachable("no answer")
        return await patch(self, kind, namespace, name, body)

    async with operators(node.address):
        await filled(place, node)
        monkeypatch.setattr(Cluster, "merge_patch", loses)
        uid = await submit(place, "lost")
        sandbox = await with_workload(node, uid)
        assert [sandbox.pod] == lost
        assert len(await _pods_of(place, "lost")) == 1


async def _pods_of(place: Place, run: str) -> list[Manifest]:
    async def found() -> list[Manifest]:
        return (await place.cluster.list("Pod", place.namespace, f"icefield.dev/run={run}"))[0]

    pods: list[Manifest] = await eventually(found)
    return pods


def _has_pod(run: Run) -> bool:
    return bool(run.status and run.status.tasks and run.status.tasks[0].attempts)

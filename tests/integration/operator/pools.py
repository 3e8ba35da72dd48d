"""Helpers for tests about sandboxes: submit workloads, find their sandboxes, watch the pool."""

from __future__ import annotations

import asyncio
from typing import Any

from icefield_crds import labels
from icefield_kube.client import Manifest
from tests.eventually import eventually

from .conftest import Place
from .sandboxes import Node, Sandbox

QUERY: Manifest = {"query": "SELECT * FROM t", "tables": [{"alias": "t", "table": "db.t"}]}


async def submit(place: Place, name: str, **polars: Any) -> str:
    """Create a Run with a workload; return its uid."""
    created = await place.create("Run", {"polars": polars or QUERY}, name)
    uid: str = created["metadata"]["uid"]
    return uid


async def with_workload(node: Node, uid: str) -> Sandbox:
    """Return the sandbox that has the workload of a run, once one does."""
    found: Sandbox = await eventually(lambda: asyncio.sleep(0, node.of_run(uid)))
    return found


async def warm(place: Place) -> list[Manifest]:
    """Return the sandboxes that wait for a workload, or start to."""
    selector = f"{labels.COMPONENT}={labels.SANDBOX_COMPONENT}"
    pods, _ = await place.cluster.list("Pod", place.namespace, selector)
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


async def pool_of(place: Place, size: int) -> set[str]:
    """Return the names of the warm sandboxes once so many stand ready, and no more are there."""

    async def is_filled() -> bool:
        pods = await warm(place)
        return len(pods) == size and all(_is_ready(pod) for pod in pods)

    await eventually(is_filled)
    return {pod["metadata"]["name"] for pod in await warm(place)}


async def filled(place: Place, node: Node, size: int = 2, **more: Any) -> set[str]:
    """Have a pool of this size, as a workspace has that was just used; return the names of its sandboxes."""
    await resize(place, size, **more)
    uid = await submit(place, "first")
    (await with_workload(node, uid)).end()
    await place.phase("first", "success")
    return await pool_of(place, size)


async def resize(place: Place, size: int, **more: Any) -> None:
    """Change the size of the pool."""
    spec = {"sandboxes": {"warmPool": {"size": size, **more}}}
    await place.cluster.merge_patch("Workspace", None, place.workspace, {"spec": spec})


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

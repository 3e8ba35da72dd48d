"""What becomes of the logs of pods that were deleted, with their workspace or without it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.container_log import ContainerLog
from tests.memory_store import InMemoryObjectStore

from icefield_crds import labels
from icefield_crds import object_store as layout
from icefield_operator.log_agent.collector import Collector, Limits
from icefield_operator.log_agent.stream import End
from icefield_operator.logs.attempt import Attempt
from icefield_operator.objectstore.deletions import delete_data


@dataclass
class Node:
    """A node with one task pod."""

    folder: Path
    store: InMemoryObjectStore = field(default_factory=InMemoryObjectStore)
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.attempt = Attempt("icefield-demo", "r-a-0", "demo", "r", "run-1", "a", 0, "w-1")
        self.container = ContainerLog(self.folder / f"icefield-demo_r-a-0_{self.uid}" / "task")

    def pod(self, state: str) -> dict[str, Any]:
        """Return the pod with its container in this state."""
        a = self.attempt
        assert a.workspace_uid
        details = {"containerID": "containerd://1", "exitCode": 0} if state == "terminated" else {}
        return {
            "metadata": {
                "namespace": a.namespace,
                "name": a.pod,
                "uid": self.uid,
                "labels": labels.of_task_pod(a.workspace, a.workspace_uid, a.run, a.task, a.attempt),
                "ownerReferences": [{"kind": "Run", "name": a.run, "uid": a.run_uid}],
            },
            "status": {"phase": "Running", "containerStatuses": [{"name": "task", "state": {state: details}}]},
        }

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Collector]:
        """Run an agent; leaving the context stops it."""
        collector = Collector(self.store, self.folder, Limits(2**30, 2**30))
        running = asyncio.create_task(collector.run())
        try:
            async with asyncio.timeout(30):
                yield collector
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def archived(self) -> list[str]:
        """Return the keys of what is archived."""
        return [key async for key in self.store.keys("logs/demo/")]

    async def until(self, is_archived: bool) -> None:
        """Wait until something is archived, or nothing is."""
        while bool(await self.archived()) is not is_archived:  # noqa: ASYNC110 - a store has no events
            await asyncio.sleep(0.02)

    async def until_complete(self) -> None:
        """Wait until the log is complete."""
        while not await self.store.exists(layout.log_complete_key(self.attempt.prefix)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def delete_workspace(self) -> None:
        """Delete what the operator deletes, as it does."""
        assert await delete_data(self.store, "w-1", ["logs/demo/"], 10)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node; it is looked often whether workspaces were deleted."""
    monkeypatch.setattr("icefield_operator.log_agent.removed_pods.LOOK_SECONDS", 0.05)
    return Node(tmp_path)


class Held:
    """A write that is sent, and whose object is there only when it is let go."""

    def __init__(self) -> None:
        self.is_sent, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, key: str) -> None:
        if key.startswith("logs/"):
            self.is_sent.set()
            await self.may_end.wait()


async def test_a_write_that_ends_after_the_workspace_was_emptied_leaves_nothing(node: Node) -> None:
    node.store.before_put = held = Held()
    async with node.agent() as agent:
        agent.put(node.pod("running"))
        node.container.print(0, 5)
        await held.is_sent.wait()
        agent.remove(node.pod("terminated"))
        await node.delete_workspace()
        await asyncio.sleep(0.2)
        held.may_end.set()
        node.container.print(5, 10)
        await asyncio.sleep(0.5)
        assert await node.archived() == []


async def test_a_log_that_was_complete_before_its_pod_was_known_to_be_gone(node: Node) -> None:
    async with node.agent() as agent:
        agent.put(node.pod("running"))
        node.container.print(0, 5)
        await node.delete_workspace()
        agent.put(node.pod("terminated"))
        await node.until_complete()
        agent.remove(node.pod("terminated"))
        await node.until(is_archived=False)


async def test_an_agent_that_is_stopped_takes_a_last_look(node: Node) -> None:
    node.store.before_put = held = Held()
    async with node.agent() as agent:
        agent.put(node.pod("running"))
        node.container.print(0, 5)
        await held.is_sent.wait()
        agent.remove(node.pod("terminated"))
        await asyncio.sleep(0.01)
        await node.delete_workspace()
        asyncio.get_running_loop().call_later(0.2, held.may_end.set)
    assert await node.archived() == []


@pytest.mark.parametrize("others", [[], ["w-2"]])
async def test_the_log_of_a_pod_that_was_deleted_alone_is_kept(
    node: Node, monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.setattr("icefield_operator.log_agent.stream._END_SECONDS", dict.fromkeys(End, 0.5))
    for other in others:
        await delete_data(node.store, other, [], 1)
    async with node.agent() as agent:
        agent.put(node.pod("running"))
        node.container.print(0, 5)
        await asyncio.sleep(0.1)
        agent.remove(node.pod("terminated"))
        await node.until_complete()
        await asyncio.sleep(0.2)
    assert len(await node.archived()) == 2

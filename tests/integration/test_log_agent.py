"""The log agent on real files and a real object store: each line once, in order, whatever is rotated meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from icefield_crds import object_store as layout
from icefield_crds.wire.log_line import GAP_MESSAGE, MISSING_END_MESSAGE, LogLine
from icefield_operator.log_agent.collector import Collector, Limits
from icefield_operator.log_agent.pace import Pace
from icefield_operator.logs.archive import Archive
from icefield_operator.logs.attempt import Attempt
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from tests.container_log import ContainerLog
from tests.object_store import REGION, RunningObjectStore, running_object_store

pytestmark = pytest.mark.integration


@dataclass
class Node:
    """A node with one task pod, and a bucket."""

    store: ObjectStore
    folder: Path
    limits: Limits = field(default_factory=lambda: Limits(2**30, 2**30))
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.attempt = Attempt("icefield-demo", "r-load-0", "demo", "r", f"run-{self.uid}", "load", 0)
        self.container = ContainerLog(self.folder / f"icefield-demo_r-load-0_{self.uid}" / "task")

    def pod(self, state: str, phase: str = "Running") -> dict[str, Any]:
        """Return the pod with its container in this state."""
        a = self.attempt
        details = {"containerID": "containerd://1", "exitCode": 0} if state == "terminated" else {}
        return {
            "metadata": {
                "namespace": a.namespace,
                "name": a.pod,
                "uid": self.uid,
                "labels": {
                    "icefield.dev/workspace": a.workspace,
                    "icefield.dev/task": a.task,
                    "icefield.dev/attempt": str(a.attempt),
                },
                "ownerReferences": [{"kind": "Run", "name": a.run, "uid": a.run_uid}],
            },
            "status": {"phase": phase, "containerStatuses": [{"name": "task", "state": {state: details}}]},
        }

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Collector]:
        """Run an agent; leaving the context stops it."""
        collector = Collector(self.store, self.folder, self.limits)
        running = asyncio.create_task(collector.run())
        try:
            yield collector
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def archived(self) -> list[dict[str, Any]]:
        """Return all archived lines."""
        lines = []
        async for key in self.store.keys(f"{self.attempt.prefix}/"):
            if key.endswith(layout.LOG_PART_SUFFIX):
                body = await self.store.get(key)
                assert body is not None
                lines += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return lines

    async def messages(self) -> list[str]:
        """Return the messages of all archived lines."""
        return [line["message"] for line in await self.archived()]

    async def until_complete(self) -> dict[str, Any]:
        """Wait until the log is complete; return what its marker says."""
        async with asyncio.timeout(60):
            while (body := await self.store.get(layout.log_complete_key(self.attempt.prefix))) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        marker: dict[str, Any] = json.loads(body)
        return marker

    async def until_archived(self, count: int) -> None:
        """Wait until so many lines are archived."""
        async with asyncio.timeout(60):
            while len(await self.archived()) < count:  # noqa: ASYNC110 - a store has no events
                await asyncio.sleep(0.1)


@asynccontextmanager
async def node_on(server: RunningObjectStore, folder: Path) -> AsyncIterator[Node]:
    """A node that archives to this server, in a bucket of its own."""
    credentials = Credentials(server.access_key_id, server.secret_access_key)
    bucket = f"agent-{uuid.uuid4().hex[:8]}"
    config = ObjectStoreConfig(Provider.VERSITYGW, server.url, REGION, bucket, credentials)
    async with ObjectStore.open(config) as store:
        await store.ensure_bucket()
        yield Node(store, folder)


@pytest.fixture
async def node(object_store: RunningObjectStore, tmp_path: Path) -> AsyncIterator[Node]:
    """A node on the shared server."""
    async with node_on(object_store, tmp_path) as node:
        yield node


@pytest.fixture(autouse=True)
def _rotated_files_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icefield_operator.log_agent.stream.SETTLED_SECONDS", 0.05)
    monkeypatch.setattr("icefield_operator.log_agent.collector.DISCOVER_SECONDS", 0.05)


async def rotations(node: Node, first: int, last: int) -> None:
    """Print a hundred lines and rotate, again and again, no faster than the agent looks."""
    for number in range(first, last):
        node.container.print(100 * number, 100 * number + 100)
        await asyncio.sleep(0.2)
        node.container.rotate()


async def test_readers_see_progress_and_then_the_end(node: Node) -> None:
    async with node.agent() as agent:
        agent.put(node.pod("waiting", "Pending"))
        agent.retain({node.uid}, 1)
        agent.put(node.pod("running"))
        node.container.print(0, 20)
        await node.until_archived(20)
        assert await node.store.get(layout.log_complete_key(node.attempt.prefix)) is None
        node.container.print(20, 30)
        agent.put(node.pod("terminated"))
        assert await node.until_complete() == {"parts": 2}
    assert await node.messages() == node.container.texts
    assert {(line["task"], line["attempt"]) for line in await node.archived()} == {("load", 0)}


async def test_no_rotation_and_no_restart_loses_or_doubles_a_line(node: Node) -> None:
    for number in range(4):
        async with node.agent() as agent:
            if number == 0:
                agent.put(node.pod("waiting", "Pending"))
            agent.retain({node.uid} if number == 0 else set(), 1)
            agent.put(node.pod("running"))
            await rotations(node, 4 * number, 4 * number + 3)
            await node.until_archived(400 * number + 300)
        # What is rotated while no agent runs is found compressed.
        node.container.print(400 * number + 300, 400 * number + 400)
        node.container.rotate()
    node.container.print(1600, 1601)
    async with node.agent() as agent:
        agent.put(node.pod("terminated", "Succeeded"))
        agent.retain({node.uid}, 1)
        assert "lost" not in await node.until_complete()
    assert await node.messages() == node.container.texts


async def test_a_store_that_is_away_for_a_while_loses_nothing(tmp_path: Path) -> None:
    with running_object_store() as server:
        async with node_on(server, tmp_path) as node, node.agent() as agent:
            agent.put(node.pod("waiting", "Pending"))
            agent.put(node.pod("running"))
            await rotations(node, 0, 2)
            await node.until_archived(200)
            await asyncio.to_thread(server.stop)
            await rotations(node, 2, 12)
            agent.put(node.pod("terminated", "Succeeded"))
            agent.remove(node.pod("terminated", "Succeeded"))
            node.container.delete()
            await asyncio.to_thread(server.start)
            assert "lost" not in await node.until_complete()
            assert await node.messages() == node.container.texts


async def test_lines_that_were_rotated_away_while_no_agent_ran_are_marked(node: Node) -> None:
    async with node.agent() as agent:
        agent.put(node.pod("waiting", "Pending"))
        agent.put(node.pod("running"))
        node.container.print(0, 100)
        await node.until_archived(100)
    for number in range(1, 10):
        node.container.rotate()
        node.container.print(100 * number, 100 * number + 100)
    async with node.agent() as agent:
        agent.put(node.pod("terminated", "Succeeded"))
        assert (await node.until_complete())["lost"] is True
    texts = node.container.texts
    assert await node.messages() == [*texts[:100], GAP_MESSAGE, *texts[500:]]
    assert await node.store.exists(layout.log_incomplete_key(node.attempt.prefix))


async def test_a_log_that_is_gone_is_marked(node: Node) -> None:
    async with node.agent() as agent:
        agent.put(node.pod("terminated", "Succeeded"))
        assert await node.until_complete() == {"parts": 1, "lost": True}
    assert await node.messages() == [MISSING_END_MESSAGE]


async def test_a_task_that_prints_nothing_has_an_empty_log(node: Node) -> None:
    node.container.folder.mkdir(parents=True)
    node.container.current.touch()
    async with node.agent() as agent:
        agent.put(node.pod("terminated", "Succeeded"))
        assert await node.until_complete() == {"parts": 0}


async def test_what_the_operator_archived_meanwhile_is_not_archived_again(node: Node) -> None:
    async with node.agent() as agent:
        agent.put(node.pod("waiting", "Pending"))
        agent.put(node.pod("running"))
        node.container.print(0, 5)
        archive = Archive(node.store, node.attempt.prefix)
        stamps = [f"2026-03-01T10:00:00.{number:03}000000Z" for number in range(3)]
        records = b"".join(LogLine(stamp, f"line {n}", "load", 0).encode() for n, stamp in enumerate(stamps))
        await archive.add(0, records)
        agent.put(node.pod("terminated", "Succeeded"))
        assert await node.until_complete() == {"parts": 2}
    assert await node.messages() == node.container.texts


async def test_a_character_that_is_cut_by_the_runtime_or_by_us_stays_whole(node: Node) -> None:
    text = "x" * 100 + "é" * 150_000
    encoded = text.encode()
    pieces = [encoded[i : i + 16384] for i in range(0, len(encoded), 16384)]
    node.container.folder.mkdir(parents=True)
    with node.container.current.open("wb") as file:
        for number, piece in enumerate(pieces):
            tag = b"F" if number == len(pieces) - 1 else b"P"
            file.write(b"2026-03-01T10:00:00.%09dZ stdout %s %s\n" % (number, tag, piece))
    async with node.agent() as agent:
        agent.put(node.pod("terminated", "Succeeded"))
        await node.until_complete()
    assert "".join(await node.messages()) == text


async def test_a_backlog_that_is_too_large_is_given_up_and_marked(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    may_read = asyncio.Event()

    async def wait(_: Pace) -> None:
        await may_read.wait()

    monkeypatch.setattr(Pace, "wait", wait)
    node.limits = Limits(bytes_per_second=2**30, backlog_bytes=20_000)
    async with node.agent() as agent:
        agent.put(node.pod("waiting", "Pending"))
        agent.put(node.pod("running"))
        await rotations(node, 0, 12)
        may_read.set()
        agent.put(node.pod("terminated", "Succeeded"))
        assert (await node.until_complete())["lost"] is True
    messages = await node.messages()
    kept = [message for message in messages if message != GAP_MESSAGE]
    assert GAP_MESSAGE in messages
    assert len(kept) < len(node.container.texts)
    assert kept == [text for text in node.container.texts if text in set(kept)]
    assert kept[-1] == node.container.texts[-1]


async def test_a_quiet_run_does_not_wait_for_a_noisy_one(node: Node) -> None:
    noisy = Node(node.store, node.folder, Limits(10_000, 2**30))
    noisy.container.print(0, 6000)
    async with noisy.agent() as agent:
        agent.put(noisy.pod("running"))
        agent.put(node.pod("running"))
        node.container.print(0, 10)
        await node.until_archived(10)
        assert len(await noisy.archived()) < 6000

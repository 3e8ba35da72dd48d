"""Logs reach a real object store whole, each line once, whatever breaks meanwhile; the test plays the kubelet."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import pytest

from icefield_crds import labels
from icefield_crds import object_store as layout
from icefield_crds.wire.log_line import GAP_MESSAGE, MISSING_END_MESSAGE, LogComplete
from icefield_kube.errors import KubernetesError, NotFound
from icefield_operator.logs.archive import Archive
from icefield_operator.logs.archiver import LogArchiver
from icefield_operator.logs.attempt import Attempt, ContainerState
from icefield_operator.logs.node_agents import NodeAgents
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from tests.object_store import REGION, RunningObjectStore, running_object_store

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class Kubelet:
    """Serves one container's log as a kubelet does: from `since_time` on (whole seconds), to the container's end."""

    lines: list[tuple[datetime, str]] = field(default_factory=list)
    ended: bool = False
    gone: bool = False
    break_after: list[tuple[int, Exception | None]] = field(default_factory=list)
    """How many lines each next stream delivers before it fails, or just ends (None)."""
    streams: int = 0
    cut_end: int = 0
    """How many bytes are missing at the end of the first stream that just ends."""
    rotated: int = 0
    """Lines that only streams see which were open when the log was rotated."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, text: str, *, at: timedelta) -> None:
        """Append a line."""
        self.lines.append((START + at, text))
        self.changed.set()

    def end(self) -> None:
        """End the container."""
        self.ended = True
        self.changed.set()

    @asynccontextmanager
    async def __call__(
        self, namespace: str, name: str, *, follow: bool, since_time: str | None
    ) -> AsyncIterator[_Body]:
        """Open a stream, as Cluster.pod_log does."""
        if self.gone:
            raise NotFound(404, f'pods "{name}" not found')
        self.streams += 1
        since = datetime.fromisoformat(since_time) if since_time else START - timedelta(days=1)
        limit, error = self.break_after.pop(0) if self.break_after else (10**9, None)
        yield _Body(self, since, follow, limit, error)


class _Body:
    def __init__(self, kubelet: Kubelet, since: datetime, follow: bool, limit: int, error: Exception | None) -> None:
        self._kubelet, self._since, self._follow, self._error = kubelet, since, follow, error
        self._left = limit
        self._next = kubelet.rotated
        self._cut = b""

    async def readany(self) -> bytes:
        while True:
            if text := self._text():
                # Cut anywhere, as a network does.
                at = random.randint(1, len(text))  # noqa: S311
                self._cut = text[at:]
                return text[:at]
            if self._left == 0 and self._error:
                raise self._error
            if self._left == 0 or not self._follow or self._kubelet.ended:
                return b""
            self._kubelet.changed.clear()
            await self._kubelet.changed.wait()

    def _text(self) -> bytes:
        text, self._cut = self._cut, b""
        if text:
            return text
        batch: list[str] = []
        while self._left and self._next < len(self._kubelet.lines) and len(batch) < 500:
            at, line = self._kubelet.lines[self._next]
            self._next += 1
            if at >= self._since:
                batch.append(f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z {line}\n")
                self._left -= 1
        text = "".join(batch).encode()
        if self._left == 0 and self._kubelet.cut_end:
            text = text[: -self._kubelet.cut_end]
            self._kubelet.cut_end = 0
        return text


@dataclass
class Bench:
    """A bucket, an attempt, and archivers over them."""

    store: ObjectStore
    attempt: Attempt
    completed: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    agents: NodeAgents = field(default_factory=lambda: NodeAgents(list))

    def pod(self, state: str, phase: str = "Running") -> dict[str, Any]:
        """Return the attempt's pod with its container in this state."""
        a = self.attempt
        states: dict[str, dict[str, Any]] = {
            "running": {"running": {}},
            "terminated": {"terminated": {"containerID": "containerd://1", "exitCode": 0}},
            "waiting": {"waiting": {"reason": "ContainerCreating"}},
        }
        return {
            "metadata": {
                "namespace": a.namespace,
                "name": a.pod,
                "labels": {
                    "icefield.dev/workspace": a.workspace,
                    "icefield.dev/task": a.task,
                    "icefield.dev/attempt": str(a.attempt),
                },
                "ownerReferences": [{"kind": "Run", "name": a.run, "uid": a.run_uid}],
            },
            "spec": {"nodeName": "n1"},
            "status": {"phase": phase, "containerStatuses": [{"name": "task", "state": states[state]}]},
        }

    @asynccontextmanager
    async def archiver(self, kubelet: Kubelet) -> AsyncIterator[LogArchiver]:
        """Run an archiver; leaving the context stops it as an operator is stopped."""
        archiver = LogArchiver(
            self.store, kubelet, self.agents, lambda namespace, run: self.completed.put_nowait((namespace, run))
        )
        service = asyncio.create_task(archiver.run())
        await asyncio.sleep(0)
        try:
            yield archiver
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)

    def is_complete(self, archiver: LogArchiver) -> bool:
        """Say whether the archiver holds the attempt's log for whole."""
        return archiver.is_complete(self.attempt.run_uid, self.attempt.task, self.attempt.attempt)

    async def wait(self, archiver: LogArchiver) -> None:
        """Wait until the log is whole."""
        async with asyncio.timeout(60):
            assert await self.completed.get() == (self.attempt.namespace, self.attempt.run)
        assert self.is_complete(archiver)

    async def archived(self) -> list[dict[str, Any]]:
        """Return all archived lines."""
        lines = []
        async for key in self.store.keys(f"{self.attempt.prefix}/"):
            if key.endswith(layout.LOG_PART_SUFFIX):
                body = await self.store.get(key)
                assert body is not None
                lines += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return lines

    async def marker(self) -> Any:
        """Return what the marker of a whole log says, or None."""
        body = await self.store.get(layout.log_complete_key(self.attempt.prefix))
        return None if body is None else json.loads(body)

    async def is_marked_incomplete(self) -> bool:
        """Say whether the store tells that lines are missing."""
        return await self.store.exists(layout.log_incomplete_key(self.attempt.prefix))

    async def until(self, check: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the archived lines are as `check` wants."""
        async with asyncio.timeout(60):
            while not check(await self.archived()):  # noqa: ASYNC110 - a store has no events
                await asyncio.sleep(0.1)


@asynccontextmanager
async def bench_on(server: RunningObjectStore) -> AsyncIterator[Bench]:
    """A bench on this server, with a bucket of its own."""
    uid = uuid.uuid4().hex
    credentials = Credentials(server.access_key_id, server.secret_access_key)
    config = ObjectStoreConfig(Provider.VERSITYGW, server.url, REGION, f"logs-{uid[:8]}", credentials)
    async with ObjectStore.open(config) as store:
        await store.ensure_bucket()
        yield Bench(store, Attempt("icefield-demo", "r-load-0", "demo", "r", uid, "load", 0))


@pytest.fixture
async def bench(object_store: RunningObjectStore) -> AsyncIterator[Bench]:
    """A bench on the shared server."""
    async with bench_on(object_store) as bench:
        yield bench


def agent_pod() -> dict[str, Any]:
    """Return the pod of the agent on the attempt's node."""
    return {
        "metadata": {"name": "agent", "labels": {labels.COMPONENT: labels.LOG_AGENT_COMPONENT}},
        "spec": {"nodeName": "n1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def talk(kubelet: Kubelet, first: int, last: int) -> None:
    """Say numbered lines, ten a second, each third one a repetition, and stderr's timestamps a little out of order."""
    for number in range(first, last):
        at = timedelta(milliseconds=100 * number)
        kubelet.say(f"line {number}", at=at - timedelta(milliseconds=30 if number % 2 else 0))
        if number % 3 == 0:
            kubelet.say("tick", at=at)
            kubelet.say("tick", at=at)


async def assert_whole(bench: Bench, kubelet: Kubelet) -> None:
    """Assert that what is archived is what was logged, in order, each line once."""
    archived = await bench.archived()
    assert [line["message"] for line in archived] == [text for _, text in kubelet.lines]
    assert {(line["task"], line["attempt"]) for line in archived} == {("load", 0)}
    assert all(line["timestamp"].endswith("000Z") for line in archived)
    keys = [key async for key in bench.store.keys(f"{bench.attempt.prefix}/") if key.endswith(layout.LOG_PART_SUFFIX)]
    assert keys == [layout.log_part_key(bench.attempt.prefix, number) for number in range(len(keys))]
    assert await bench.marker() == {"parts": len(keys)}


async def test_readers_see_progress_and_then_the_end(bench: Bench) -> None:
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("waiting", "Pending"))
        archiver.observe(bench.pod("running"))
        talk(kubelet, 0, 20)
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
        assert not bench.is_complete(archiver)
        assert await bench.marker() is None
        talk(kubelet, 20, 30)
        kubelet.end()
        archiver.observe(bench.pod("terminated"))
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
        archiver.observe(bench.pod("terminated", "Succeeded"))
    await assert_whole(bench, kubelet)
    assert bench.completed.empty()


async def test_a_log_of_fifty_megabytes_goes_through_whole_though_it_is_rotated(bench: Bench) -> None:
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        text = "x" * 480
        for number in range(100_000):
            kubelet.say(f"{number} {text}", at=timedelta(microseconds=100 * number))
        while not kubelet.streams:  # noqa: ASYNC110 - the archiver does not report that it has started
            await asyncio.sleep(0.01)
        kubelet.rotated = 80_000
        kubelet.end()
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)


async def test_a_container_that_ended_before_it_was_seen(bench: Bench) -> None:
    kubelet = Kubelet(ended=True)
    talk(kubelet, 0, 5)
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)
    assert kubelet.streams == 1


async def test_a_stream_that_the_kubelet_leaves_open_after_the_end(bench: Bench) -> None:
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        talk(kubelet, 0, 5)
        await asyncio.sleep(0.2)
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)


async def test_streams_that_break_lose_and_double_nothing(bench: Bench) -> None:
    broken = aiohttp.ClientPayloadError("broken")
    kubelet = Kubelet(
        break_after=[(37, broken), (0, ConnectionResetError()), (50, None), (11, KubernetesError(502, "x"))]
    )
    talk(kubelet, 0, 200)
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
        kubelet.break_after = [(3, None)]
        talk(kubelet, 200, 210)
        kubelet.end()
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)


@pytest.mark.parametrize("restarts", [1, 6])
async def test_an_operator_that_is_killed_loses_and_doubles_nothing(bench: Bench, restarts: int) -> None:
    kubelet = Kubelet()
    for number in range(restarts):
        async with bench.archiver(kubelet) as archiver:
            archiver.observe(bench.pod("running"))
            talk(kubelet, 20 * number, 20 * number + 20)
            # Now and then in the middle of a part, now and then after it.
            await asyncio.sleep(0.1 + 0.5 * number)
    kubelet.end()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)
    streams = kubelet.streams
    async with bench.archiver(kubelet) as archiver:
        assert not bench.is_complete(archiver)
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    assert kubelet.streams == streams


async def test_very_long_lines_are_cut_the_same_way_after_a_restart(bench: Bench) -> None:
    kubelet = Kubelet()
    long = "".join(random.choices("abcdefgh", k=900_000))  # noqa: S311
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        for number in range(3):
            kubelet.say(f"{number}{long}", at=timedelta(seconds=number))
        await bench.until(lambda lines: len(lines) >= 4)
    kubelet.end()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    archived = await bench.archived()
    assert "".join(line["message"] for line in archived) == "".join(text for _, text in kubelet.lines)


async def test_a_pod_that_never_started_is_complete_at_once(bench: Bench) -> None:
    async with bench.archiver(Kubelet(gone=True)) as archiver:
        archiver.observe(bench.pod("waiting", "Failed"))
        await bench.wait(archiver)
        assert not archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    assert [key async for key in bench.store.keys(f"{bench.attempt.prefix}/")] == []


async def test_a_pod_that_is_gone_is_reported_as_lost(bench: Bench) -> None:
    kubelet = Kubelet()
    talk(kubelet, 0, 20)
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
    kubelet.gone = True
    async with bench.archiver(kubelet) as archiver:
        archiver.observe_gone(bench.attempt)
        await bench.wait(archiver)
        assert archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    assert await bench.marker() == {"parts": 2, "lost": True}
    *lines, end = await bench.archived()
    assert [line["message"] for line in lines] == [text for _, text in kubelet.lines]
    assert (end["message"], end["gap"]) == (MISSING_END_MESSAGE, True)
    assert await bench.is_marked_incomplete()


async def test_a_pod_that_is_gone_before_its_log_was_read_is_reported_as_lost(bench: Bench) -> None:
    async with bench.archiver(Kubelet(gone=True)) as archiver:
        archiver.observe(bench.pod("waiting", "Pending"))
        archiver.observe_gone(bench.attempt)
        await bench.wait(archiver)
        assert archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    assert await bench.marker() == {"parts": 1, "lost": True}


async def test_a_pod_that_is_gone_and_never_started_has_no_log_to_lose(bench: Bench) -> None:
    async with bench.archiver(Kubelet(gone=True)) as archiver:
        archiver.observe_gone(bench.attempt, ContainerState.NEVER_STARTED)
        await bench.wait(archiver)
        assert not archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    assert [key async for key in bench.store.keys(f"{bench.attempt.prefix}/")] == []


async def test_what_was_rotated_away_between_two_streams_is_marked(bench: Bench) -> None:
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        talk(kubelet, 0, 20)
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
    before = len(kubelet.lines)
    talk(kubelet, 20, 60)
    kubelet.rotated = lost = len(kubelet.lines)
    talk(kubelet, 60, 80)
    kubelet.end()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
        assert archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    texts = [text for _, text in kubelet.lines]
    archived = await bench.archived()
    assert [line["message"] for line in archived] == [*texts[:before], GAP_MESSAGE, *texts[lost:]]
    assert await bench.marker() == {"parts": 2, "lost": True}
    assert await bench.is_marked_incomplete()


async def test_a_line_that_a_broken_stream_cut_is_no_gap_and_not_archived_in_half(bench: Bench) -> None:
    kubelet = Kubelet(break_after=[(3, None)], cut_end=5)
    talk(kubelet, 0, 20)
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
        kubelet.end()
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    await assert_whole(bench, kubelet)


async def test_a_log_without_a_line_is_archived_without_a_call_to_the_store(bench: Bench) -> None:
    store, bench.store = bench.store, cast(ObjectStore, None)
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("waiting", "Pending"))
        archiver.observe(bench.pod("running"))
        kubelet.end()
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
    bench.store = store


async def test_the_agent_of_the_node_archives_and_the_kubelet_is_not_asked(bench: Bench) -> None:
    bench.agents.observe(agent_pod())
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        await Archive(bench.store, bench.attempt.prefix).complete(LogComplete(3, lost=True))
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await bench.wait(archiver)
        assert archiver.misses_lines(bench.attempt.run_uid, "load", 0)
    assert kubelet.streams == 0


async def test_a_log_is_followed_while_the_node_has_no_agent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icefield_operator.logs.archiver.CHECK_AGENTS", 0.1)
    now = datetime.now(UTC)
    bench.agents = NodeAgents(list, lambda: now)
    bench.agents.observe(agent_pod())
    kubelet = Kubelet()
    async with bench.archiver(kubelet) as archiver:
        archiver.observe(bench.pod("running"))
        talk(kubelet, 0, 20)
        bench.agents.observe_gone("agent")
        now += timedelta(minutes=2)
        await bench.until(lambda lines: len(lines) == len(kubelet.lines))
        bench.agents.observe(agent_pod())
        await asyncio.sleep(0.3)
        # The agent is back, and takes the rest.
        talk(kubelet, 20, 30)
        archiver.observe(bench.pod("terminated", "Succeeded"))
        await Archive(bench.store, bench.attempt.prefix).complete(LogComplete(1))
        await bench.wait(archiver)
    assert (await bench.archived())[-1]["message"] == "line 19"


async def test_a_store_that_is_away_for_a_while_loses_nothing() -> None:
    with running_object_store() as server:
        async with bench_on(server) as bench:
            kubelet = Kubelet()
            async with bench.archiver(kubelet) as archiver:
                archiver.observe(bench.pod("running"))
                talk(kubelet, 0, 20)
                await bench.until(lambda lines: len(lines) == len(kubelet.lines))
                await asyncio.to_thread(server.stop)
                talk(kubelet, 20, 40)
                # Rotated away: only the archiver has these lines now.
                kubelet.rotated = len(kubelet.lines)
                await asyncio.sleep(3)
                talk(kubelet, 40, 50)
                kubelet.end()
                archiver.observe(bench.pod("terminated", "Succeeded"))
                await asyncio.to_thread(server.start)
                await bench.wait(archiver)
            await assert_whole(bench, kubelet)

"""Two candidates for one Lease of a real API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from icefield_kube.client import KubeClient
from icefield_operator.cluster import Cluster, NotLeading
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.leader_election import LeaderElection, Timing
from tests.controlplane import ControlPlane
from tests.eventually import eventually

from .conftest import Place

pytestmark = pytest.mark.integration

TIMING = Timing.of(2.0)


class Candidate:
    """One candidate that notes when it acts."""

    def __init__(self, client: KubeClient, namespace: str, identity: str) -> None:
        self.lost_at = 0.0
        self.led_from = 0.0
        self.stop = asyncio.Event()
        self.election = LeaderElection(client, namespace, "test", identity, TIMING, self._lost)
        self.running = asyncio.create_task(self.election.run(self._lead, self.stop))

    def _lost(self) -> None:
        self.lost_at = time.monotonic()

    async def _lead(self) -> None:
        self.led_from = time.monotonic()
        await self.stop.wait()

    async def leads(self) -> bool:
        return self.election.is_leading()


class Relay:
    """Bytes between a client and the API server, until it is cut: then nothing arrives, and nothing is refused."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    @asynccontextmanager
    async def to(self, host: str, port: int) -> AsyncIterator[int]:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                if self.cut.is_set():
                    await asyncio.sleep(3600)
                writer.write(data)
                await writer.drain()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection(host, port)
            pumps = [asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))]
            tasks.extend(pumps)
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for end in (writer, far_writer):
                end.close()

        tasks: list[asyncio.Task[Any]] = []
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()


@pytest.fixture
async def candidate(place: Place) -> AsyncIterator[Callable[[str], Any]]:
    """A maker of candidates for one Lease: `await candidate("a")`."""
    made: list[Candidate] = []
    async with AsyncExitStack() as stack:

        async def make(identity: str) -> Candidate:
            client = await KubeClient.connect(TIMING.renew_deadline / 2)
            stack.push_async_callback(client.close)
            made.append(Candidate(client, place.namespace, identity))
            return made[-1]

        yield make
        for one in made:
            one.running.cancel()
        await asyncio.gather(*(one.running for one in made), return_exceptions=True)


async def test_a_stopped_leader_leaves_its_lease_at_once(candidate: Callable[[str], Any], place: Place) -> None:
    first = await candidate("first")
    await eventually(first.leads)
    second = await candidate("second")
    await eventually(lambda: asyncio.sleep(0, second.election.is_standing_by))
    assert not first.election.is_standing_by

    first.stop.set()
    await first.running
    released = time.monotonic()
    assert not first.election.is_leading()
    await eventually(second.leads)
    # Waiting for a Lease to run out takes as long as it lasts at least; this took one look.
    assert second.led_from - released < TIMING.lease * 0.75
    lease = await place.cluster.get("Lease", place.namespace, "test")
    assert lease
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] == 2


async def test_a_leader_that_hears_nothing_ends_before_the_next_one_begins(
    candidate: Callable[[str], Any],
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    relay, server = Relay(), urlsplit(control_plane.url)
    async with relay.to(str(server.hostname), int(server.port or 443)) as port:
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{port}"
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        first = await candidate("first")
        await eventually(first.leads)
        monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
        second = await candidate("second")
        await eventually(lambda: asyncio.sleep(0, second.election.is_standing_by))

        relay.cut.set()
        await eventually(second.leads)
        assert 0 < first.lost_at < second.led_from
        assert not first.election.is_leading()


async def test_a_candidate_that_comes_back_under_its_name_needs_not_wait(candidate: Callable[[str], Any]) -> None:
    first = await candidate("pod")
    await eventually(first.leads)
    again = await candidate("pod")
    started = time.monotonic()
    await eventually(again.leads)
    assert time.monotonic() - started < TIMING.lease * 0.75


async def test_whoever_does_not_lead_writes_nothing(place: Place) -> None:
    leads = True
    cluster = await Cluster.connect(ClusterCache())
    cluster.write_only_while(lambda: leads)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": place.namespace}}
    await cluster.create(manifest)
    leads = False
    assert await cluster.get("ConfigMap", place.namespace, "a")
    for write in (
        cluster.create(manifest),
        cluster.apply(manifest),
        cluster.merge_patch("ConfigMap", place.namespace, "a", {"data": {"a": "b"}}),
        cluster.delete("ConfigMap", place.namespace, "a"),
    ):
        with pytest.raises(NotLeading):
            await write
    assert await place.cluster.get("ConfigMap", place.namespace, "a")
    await cluster.close()

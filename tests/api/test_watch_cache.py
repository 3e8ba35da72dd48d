"""A watch cache against a real kube-apiserver, through a connection that a test can break."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import yaml

from icefield_apiserver.core.kube import ResourceClient, WatchCache
from icefield_apiserver.core.kube.indexes import BY_NAME
from icefield_crds import Job
from icefield_kube import watch
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.kubernetes_client import JOBS as JOB_KIND
from tests.kubernetes_client import NAMESPACES

pytestmark = pytest.mark.integration


@dataclass
class Wire:
    """A TCP proxy in front of kube-apiserver."""

    target: int
    port: int = 0
    is_cut: bool = False
    is_silent: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on."""
        if self.is_cut:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, there_writer}
        await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        self._open -= {writer, there_writer}

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                while self.is_silent:  # noqa: ASYNC110 - a test says when
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass
class Place:
    """A cache, the wire it hangs on, and a namespace."""

    jobs: WatchCache[Job]
    wire: Wire
    plane: ControlPlane
    namespace: str

    def apply(self, name: str, command: str = "x") -> None:
        """Apply a job past the wire."""
        metadata = {"name": name, "namespace": self.namespace}
        job = {"apiVersion": "icefield.dev/v1alpha1", "kind": "Job", "metadata": metadata, "spec": {"command": command}}
        self.plane.client.apply(job)

    async def has(self, *names: str) -> None:
        """Return once the cache has exactly these jobs."""

        async def is_so() -> bool:
            return [job.metadata.name for _, job in self.jobs.store.walk(self.namespace)] == sorted(names)

        await eventually(is_so)


@pytest_asyncio.fixture
async def place(
    cluster_with_roles: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    """A running cache."""
    plane = cluster_with_roles
    wire = Wire(urlsplit(plane.url).port or 443)
    server = await asyncio.start_server(wire.accept, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    kubeconfig = yaml.safe_load(plane.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{wire.port}"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    namespace = f"watch-{secrets.token_hex(3)}"
    plane.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    client = await ResourceClient.connect()
    jobs = WatchCache(client, Job, BY_NAME)
    running = asyncio.create_task(jobs.reflector.run())
    yield Place(jobs, wire, plane, namespace)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
    server.close()
    plane.client.delete(NAMESPACES, namespace)


async def test_what_kubectl_does_is_seen(place: Place) -> None:
    await place.jobs.reflector.wait_until_synced()
    place.apply("a")
    place.apply("b")
    await place.has("a", "b")
    place.plane.client.delete(JOB_KIND, "a", place.namespace)
    await place.has("b")


async def test_what_happens_while_the_connection_is_cut_is_made_up_for(place: Place) -> None:
    place.apply("a")
    await place.has("a")
    place.wire.cut()
    place.plane.client.delete(JOB_KIND, "a", place.namespace)
    place.apply("b")
    assert place.jobs.store.get(place.namespace, "b") is None
    place.wire.is_cut = False
    await place.has("b")


async def test_a_version_that_is_too_old_means_a_new_list(place: Place) -> None:
    place.apply("a")
    await place.has("a")
    place.jobs.reflector._version = "1"
    place.wire.cut()
    place.plane.client.delete(JOB_KIND, "a", place.namespace)
    place.wire.is_cut = False
    await place.has()


async def test_a_connection_that_dies_silently_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 1)
    monkeypatch.setattr(watch, "SILENCE_SECONDS", 2)
    await place.jobs.reflector.wait_until_synced()
    place.wire.cut()  # the open watch has the usual limits
    place.wire.is_cut = False
    place.apply("a")
    await place.has("a")
    place.wire.is_silent = True

    async def is_silent() -> bool:
        return place.jobs.reflector.silence_seconds > 3

    await eventually(is_silent)
    place.wire.is_silent = False
    place.apply("b")
    await place.has("a", "b")


async def test_a_miss_asks_kubernetes(place: Place) -> None:
    await place.jobs.reflector.wait_until_synced()
    place.wire.is_silent = True
    place.apply("a")
    uid = place.plane.client.get(JOB_KIND, "a", place.namespace)["metadata"]["uid"]
    assert place.jobs.store.by_uid(uid) is None
    place.wire.is_silent = False
    by_id = await place.jobs.find_by_public_id(place.namespace, f"job_{uid.replace('-', '')[:12]}")
    assert by_id is not None
    by_name = await place.jobs.find(place.namespace, "a")
    assert by_name is not None
    assert by_name.metadata.uid == by_id.metadata.uid == uid
    assert await place.jobs.find_by_public_id(place.namespace, "job_000000000000") is None
    assert await place.jobs.find(place.namespace, "Not A Name/..") is None

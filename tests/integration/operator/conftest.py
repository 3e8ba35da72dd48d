"""An operator in this process, against a real API server, with runs as its only controller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from icefield_crds import Run, Workspace
from icefield_crds.names import API_VERSION, pod_name
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.controllers import Controllers
from icefield_operator.kinds import register_kinds
from icefield_operator.lifecycle import Operator
from icefield_operator.logs.attempt import Attempt, ContainerState
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.platform import Platform, Storage
from icefield_operator.sandbox.dispatcher import Address, address_of
from icefield_operator.sandbox.register import register as register_sandboxes
from icefield_operator.settings import Settings
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import OwnCache, own_slug
from tests.integration.patient import PatientCluster

from .kubelet import Kubelet
from .sandboxes import Node

STORE_KEYS = {
    "AWS_ENDPOINT_URL": "http://store:7070",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "ICEFIELD_BUCKET": "lake",
}


@dataclass
class NotedLogs:
    """Which logs a test declares archived."""

    complete: set[tuple[str, str, int]] = field(default_factory=set)
    incomplete: set[tuple[str, str, int]] = field(default_factory=set)
    gone: list[Attempt] = field(default_factory=list)

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        return (run_uid, task, attempt) in self.complete

    def has_unknown_start(self, run_uid: str, task: str, attempt: int) -> bool:
        return False

    def misses_lines(self, run_uid: str, task: str, attempt: int) -> bool:
        return (run_uid, task, attempt) in self.incomplete

    def observe_gone(self, attempt: Attempt, state: ContainerState = ContainerState.ENDED) -> None:
        self.gone.append(attempt)

    async def abandon(self, workspace: str) -> None:
        raise AssertionError("no workspace is deleted here")


@dataclass
class RunningOperator:
    """One operator, its view of the cluster, and what it was given."""

    cache: ClusterCache
    controllers: Controllers
    logs: NotedLogs
    operator: Operator


@dataclass
class Place:
    """A workspace of a test's own, and what acts in it."""

    cluster: Cluster
    kubelet: Kubelet
    workspace: str
    namespace: str

    async def create(self, kind: str, spec: Manifest, name: str = "", **metadata: Any) -> Manifest:
        """Create a custom resource of ours."""
        named = {"name": name} if name else {"generateName": "run-"}
        body = {"namespace": self.namespace, **named, **metadata}
        return await self.cluster.create({"apiVersion": API_VERSION, "kind": kind, "metadata": body, "spec": spec})

    async def run(self, name: str) -> Run:
        """Return a Run as it is now."""
        return Run.model_validate(await self.cluster.get("Run", self.namespace, name))

    async def until(self, name: str, check: Callable[[Run], Any]) -> Run:
        """Return a Run once it satisfies the check."""

        async def satisfied() -> Run | None:
            run = await self.run(name)
            return run if check(run) else None

        found: Run = await eventually(satisfied)
        return found

    async def phase(self, name: str, phase: str) -> Run:
        """Return a Run once it has this phase."""
        return await self.until(name, lambda run: run.phase == phase)

    async def pod(self, run: str, task: str = "main", attempt: int = 0) -> Manifest:
        """Return the pod of an attempt once it exists."""
        name = pod_name(run, task, attempt)
        try:
            pod: Manifest = await eventually(lambda: self.cluster.get("Pod", self.namespace, name))
        except AssertionError as error:
            jobs, _ = await self.cluster.list("Job", self.namespace)
            found = {"run": await self.cluster.get("Run", self.namespace, run), "jobs": jobs, "pods": await self.pods()}
            raise AssertionError(f"{error}; there is {json.dumps(found)}") from None
        return pod

    async def pods(self) -> list[str]:
        """Return the names of all pods here."""
        return sorted(pod["metadata"]["name"] for pod in (await self.cluster.list("Pod", self.namespace))[0])

    async def started(self, run: str, task: str = "main", attempt: int = 0) -> str:
        """Let the kubelet start an attempt; return the pod's name."""
        name: str = (await self.pod(run, task, attempt))["metadata"]["name"]
        await self.kubelet.start(self.namespace, name)
        return name

    async def finished(self, run: str, task: str = "main", attempt: int = 0, exit_code: int = 0) -> str:
        """Let the kubelet end an attempt; return the pod's name."""
        name: str = (await self.pod(run, task, attempt))["metadata"]["name"]
        await self.kubelet.finish(self.namespace, name, exit_code)
        return name

    async def forbid_pods(self) -> None:
        """Set a quota that lets nobody make a pod; return once it is enforced."""
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none", "namespace": self.namespace},
            "spec": {"hard": {"pods": "0"}},
        }
        await self.cluster.apply(quota)

        async def is_enforced() -> bool:
            found = await self.cluster.get("ResourceQuota", self.namespace, "none")
            return found is not None and "hard" in found.get("status", {})

        await eventually(is_enforced)

    async def cancel(self, run: str) -> None:
        """Cancel a run."""
        await self.cluster.merge_patch("Run", self.namespace, run, {"spec": {"desiredState": "cancelled"}})


@pytest.fixture(scope="session")
def private_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that signs run tokens."""
    path = tmp_path_factory.mktemp("key") / "private.pem"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
async def cluster(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """The test's own client."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    client = await PatientCluster.connect(ClusterCache())
    yield client
    await client.close()


@pytest.fixture
async def place(cluster: Cluster) -> AsyncIterator[Place]:
    """A workspace with its namespace and the flavor cpu.1."""
    slug = own_slug()
    await make_workspace(cluster, slug)
    flavor = {"cpu": "1", "memory": "1Gi", "requests": {"cpu": "10m", "memory": "16Mi"}}
    metadata = {"name": "cpu.1"}
    await cluster.apply({"apiVersion": API_VERSION, "kind": "Flavor", "metadata": metadata, "spec": flavor})
    kubelet = Kubelet(cluster, slug)
    await kubelet.join()
    yield Place(cluster, kubelet, slug, f"icefield-{slug}")
    await kubelet.leave()


async def make_workspace(cluster: Cluster, slug: str, **spec: Any) -> None:
    """Make a Workspace and, as nobody else does here, its namespace."""
    made = await cluster.apply(
        {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": slug}, "spec": spec}
    )
    owner = Workspace.model_validate(made).owner_reference.to_api()
    metadata = {"name": f"icefield-{slug}", "ownerReferences": [owner]}
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    account = {"name": "default", "namespace": f"icefield-{slug}"}
    await cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})


@pytest.fixture
async def operators(cluster: Cluster, private_key: Path) -> AsyncIterator[Callable[..., Any]]:
    """A maker of operators: `async with operators() as operator`."""
    settings = Settings(
        runtime_image="localhost/icefield/runtime:test",
        tini_image="localhost/icefield/tini:test",
        warehouse_image="localhost/icefield/warehouse:test",
        polars_image="localhost/icefield/polars:test",
        polars_cloud_image="localhost/icefield/polars-cloud:test",
        run_token_private_key_file=private_key,
        health_port=0,
    )

    @asynccontextmanager
    async def make(
        address: Address = address_of, store: ObjectStore | None = None, **changed: Any
    ) -> AsyncIterator[RunningOperator]:
        async with AsyncExitStack() as stack:
            cache = OwnCache()
            own = await Cluster.connect(cache)
            stack.push_async_callback(own.close)
            controllers, logs = Controllers(cache, settings.workers), NotedLogs()
            own_settings = settings.model_copy(update=changed)
            platform = Platform(own, controllers, own_settings, logs, store and Storage(store, None, None))
            register_kinds(platform, ("job", "run", "spark", "environment"))
            register_sandboxes(platform, address)
            operator = Operator(own_settings, own, controllers)
            task = asyncio.create_task(operator.run())
            try:
                await eventually(lambda: asyncio.sleep(0, operator._ready.is_set() or task.done()))
                yield RunningOperator(cache, controllers, logs, operator)
            finally:
                operator.stop()
                await task

    yield make


@pytest.fixture
async def node(place: Place) -> AsyncIterator[Node]:
    """A node that runs sandboxes, in a workspace with keys of the object store."""
    for name, values in (("icefield-object-store", STORE_KEYS), ("icefield-environment", {"MODE": "fast"})):
        metadata = {"name": name, "namespace": place.namespace}
        await place.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})
    async with Node(place.cluster, place.kubelet, place.namespace).running() as running:
        yield running


@pytest.fixture
async def sandboxed(operators: Callable[..., Any], node: Node) -> AsyncIterator[RunningOperator]:
    """A running operator that finds the node's sandboxes."""
    async with operators(node.address) as running:
        yield running


@pytest.fixture
async def operator(operators: Callable[[], Any]) -> AsyncIterator[RunningOperator]:
    """A running operator."""
    async with operators() as running:
        yield running

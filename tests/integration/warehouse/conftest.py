"""An operator in this process, against a real API server, with warehouses as its only controller."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from icefield_crds import Warehouse, format_time, labels
from icefield_crds.names import API_VERSION, WAREHOUSE_TOKEN_SECRET
from icefield_crds.warehouse import WAKE_ANNOTATION
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.controllers import Controllers
from icefield_operator.kinds import register_kinds
from icefield_operator.lifecycle import Operator
from icefield_operator.platform import Platform
from icefield_operator.settings import Settings
from icefield_operator.warehouse import pod_plan, reconcile
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.operator.conftest import make_workspace
from tests.integration.operator.kubelet import Kubelet
from tests.integration.own_cache import OwnCache, own_slug
from tests.integration.patient import PatientCluster

from .gateway import Gateway

FLAVORS = {
    "wh.small": {"cpu": "1", "memory": "2Gi", "requests": {"cpu": "10m", "memory": "16Mi"}},
    "wh.large": {"cpu": "2", "memory": "8Gi", "requests": {"cpu": "10m", "memory": "16Mi"}},
    "wh.tiny": {"cpu": "1", "memory": "1Gi"},
}


@dataclass
class Site:
    """A workspace of a test's own with one warehouse, `w`, its pod's kubelet and its gateway."""

    cluster: Cluster
    plane: ControlPlane
    kubelet: Kubelet
    gateway: Gateway
    workspace: str
    namespace: str

    async def create(self, name: str = "w", **spec: Any) -> None:
        """Create a warehouse."""
        metadata = {"name": name, "namespace": self.namespace}
        manifest = {"apiVersion": API_VERSION, "kind": "Warehouse", "metadata": metadata, "spec": spec}
        await self.cluster.create({**manifest, "spec": {"size": "wh.small", **spec}})

    async def change(self, **spec: Any) -> None:
        """Change the spec, as its owner does."""
        await self.cluster.merge_patch("Warehouse", self.namespace, "w", {"spec": spec})

    async def wake(self) -> None:
        """Say that somebody needs the warehouse, as the API server does."""
        annotations = {WAKE_ANNOTATION: datetime.now(UTC).isoformat()}
        await self.cluster.merge_patch("Warehouse", self.namespace, "w", {"metadata": {"annotations": annotations}})

    async def warehouse(self, name: str = "w") -> Warehouse:
        """Return the warehouse as it is now."""
        return Warehouse.model_validate(await self.cluster.get("Warehouse", self.namespace, name))

    async def until(self, check: Callable[[Any], Any], name: str = "w") -> Warehouse:
        """Return the warehouse once it satisfies the check."""

        async def satisfied() -> Warehouse | None:
            found = await self.warehouse(name)
            return found if found.status and check(found) else None

        found: Warehouse = await eventually(satisfied)
        return found

    async def phase(self, phase: str, name: str = "w") -> Warehouse:
        """Return the warehouse once it has this phase."""
        return await self.until(lambda warehouse: warehouse.phase == phase, name)

    async def refused(self, error: str, name: str = "w") -> Warehouse:
        """Return the warehouse once its status has an error that begins so.

        Another error may come first: the operator may see the warehouse before its workspace.
        """
        return await self.until(lambda warehouse: (warehouse.status.error or "").startswith(error), name)

    async def pods(self, name: str = "w") -> list[Manifest]:
        """Return the warehouse's pods."""
        selector = f"{labels.WAREHOUSE}={name},{labels.COMPONENT}={labels.WAREHOUSE_COMPONENT}"
        found, _ = await self.cluster.list("Pod", self.namespace, selector)
        return found

    async def find(self, uid: str) -> Manifest | None:
        """Return the pod with this uid."""
        return next((pod for pod in await self.pods() if pod["metadata"]["uid"] == uid), None)

    async def pod(self, *but_not: str, name: str = "w") -> Manifest:
        """Return the warehouse's pod once it exists; none with one of these uids."""

        async def made() -> Manifest | None:
            found = [pod for pod in await self.pods(name) if pod["metadata"]["uid"] not in but_not]
            return found[0] if found else None

        found: Manifest = await eventually(made)
        return found

    async def ready(self, *but_not: str, gateway: Gateway | None = None) -> Manifest:
        """Let the kubelet start the pod's containers, with a gateway at this address; return the pod."""
        pod = await self.pod(*but_not)
        name = pod["metadata"]["name"]
        await self.kubelet.bind(self.namespace, name)
        await self.report("Running", {"state": _started(), "ready": True}, pod=name, gateway_at=gateway)
        return await self.pod(*but_not)

    async def report(
        self,
        phase: str,
        gateway: Manifest,
        spark: Manifest | None = None,
        *,
        pod: str = "",
        gateway_at: Gateway | None = None,
        **more: Any,
    ) -> None:
        """Write the status of a pod, of the only one unless it is named, as the kubelet does."""
        address = (gateway_at or self.gateway).address
        pod = pod or (await self.pod())["metadata"]["name"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": format_time(datetime.now(UTC))}
        status = {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [scheduled],
            "containerStatuses": [_container("gateway", gateway)],
            "initContainerStatuses": [_container("spark", spark or {"state": _started(), "ready": True})],
            **more,
        }
        await self.cluster.merge_patch("Pod", self.namespace, f"{pod}/status", {"status": status})

    async def leaving(self, uid: str) -> None:
        """Wait until the pod is being deleted, and let the kubelet end it."""

        async def is_reported() -> bool:
            pod = await self.find(uid)
            return pod is not None and "deletionTimestamp" in pod["metadata"]

        await eventually(is_reported)
        await self.end(uid)

    async def end(self, uid: str) -> None:
        """Let the kubelet say that the pod's containers are gone."""
        pod = await self.find(uid)
        assert pod is not None
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        await self.cluster._request("DELETE", path, body=body)

    async def get(self, kind: str, name: str) -> Manifest | None:
        """Return an object of the workspace."""
        return await self.cluster.get(kind, self.namespace, name)

    async def token(self, token: str) -> None:
        """Write the token that the workspace's gateways ask for."""
        data = {"token": base64.b64encode(token.encode()).decode()}
        metadata = {"name": WAREHOUSE_TOKEN_SECRET, "namespace": self.namespace}
        await self.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    async def kubectl(self, *arguments: str, manifest: Manifest) -> str:
        """Run kubectl with a manifest, as a GitOps controller would."""
        given = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        text = yaml.safe_dump(json.loads(json.dumps(given)))
        return await asyncio.to_thread(self.plane.kubectl, *arguments, "--filename=-", stdin=text)


@dataclass
class RunningOperator:
    """One operator and its queue."""

    controllers: Controllers

    async def has_looked(self) -> None:
        """Pass over everything once more, and wait until that is done."""
        self.controllers.enqueue_all()
        await eventually(lambda: asyncio.sleep(0.05, len(self.controllers.queue) == 0))


@pytest.fixture
async def cluster(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """The test's own client."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    client = await PatientCluster.connect(ClusterCache())
    for name, spec in FLAVORS.items():
        await client.apply({"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": name}, "spec": spec})
    yield client
    await client.close()


@pytest.fixture
async def site(cluster: Cluster, control_plane: ControlPlane) -> AsyncIterator[Site]:
    """A workspace with its namespace and its gateways' token."""
    slug = own_slug()
    await make_workspace(cluster, slug)
    kubelet, gateway = Kubelet(cluster, slug), Gateway("secret")
    await kubelet.join()
    await gateway.start()
    found = Site(cluster, control_plane, kubelet, gateway, slug, f"icefield-{slug}")
    await found.token("secret")
    yield found
    for warehouse in (await cluster.list("Warehouse", found.namespace))[0]:
        await cluster.delete("Warehouse", found.namespace, warehouse["metadata"]["name"])
    await gateway.stop()
    await kubelet.leave()


@pytest.fixture
async def operators(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Any]]:
    """A maker of operators that listen often: `async with operators() as operator`."""
    monkeypatch.setattr(reconcile, "POLL_INTERVAL", timedelta(seconds=0.2))
    monkeypatch.setattr(reconcile, "SPARK_POLL_INTERVAL", timedelta(seconds=0.2))
    monkeypatch.setattr(reconcile, "DRAIN_POLL_INTERVAL", timedelta(seconds=0.2))
    monkeypatch.setattr(reconcile, "REFUSED_AGAIN", timedelta(seconds=0.2))
    monkeypatch.setattr(pod_plan, "LINGER", timedelta(seconds=1))
    settings = Settings(
        runtime_image="runtime",
        tini_image="tini",
        warehouse_image="localhost/icefield/warehouse:test",
        polars_image="localhost/icefield/polars:test",
        polars_cloud_image="localhost/icefield/polars-cloud:test",
        run_token_private_key_file=tmp_path,
        health_port=0,
    )

    @asynccontextmanager
    async def make() -> AsyncIterator[RunningOperator]:
        async with AsyncExitStack() as stack:
            cache = OwnCache()
            own = await Cluster.connect(cache)
            stack.push_async_callback(own.close)
            controllers = Controllers(cache, settings.workers)
            register_kinds(Platform(own, controllers, settings), ["warehouse"])
            operator = Operator(settings, own, controllers)
            task = asyncio.create_task(operator.run())
            try:
                await eventually(lambda: asyncio.sleep(0, operator._ready.is_set() or task.done()))
                yield RunningOperator(controllers)
            finally:
                operator.stop()
                await task

    yield make


@pytest.fixture
async def operator(operators: Callable[[], Any]) -> AsyncIterator[RunningOperator]:
    """A running operator."""
    async with operators() as running:
        yield running


def _started() -> Manifest:
    return {"running": {"startedAt": format_time(datetime.now(UTC))}}


def _container(name: str, found: Manifest) -> Manifest:
    return {"name": name, "image": "x", "imageID": "", "ready": False, "restartCount": 0, **found}

"""The cluster that all contenders share: the size of a task, its pod, watches, and how what was made goes away."""

from __future__ import annotations

import copy
import json
import os
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from tests.eventually import eventually

from icefield_crds import Run, labels
from icefield_crds.names import API_VERSION, public_id
from icefield_kube.client import KubeClient, Manifest, delete_options
from icefield_kube.paths import path_of

NAMESPACE = "icefield-demo"
FLAVOR = "side-by-side"
FLAVOR_SPEC = {
    "cpu": "1",
    "memory": "512Mi",
    "ephemeralStorage": "1Gi",
    # So little that fifty fit on a small node at once, and none waits for the scheduler.
    "requests": {"cpu": "10m", "memory": "32Mi"},
}
PODS = path_of("Pod", NAMESPACE)
RUNS = path_of("Run", NAMESPACE)
TASK_PODS = f"{labels.COMPONENT}={labels.TASK_COMPONENT}"
PATIENCE_SECONDS = 900
"""Of whatever takes as long as a measurement may."""


class Cluster:
    """Kubernetes and Icefield's REST API, as `icefield env` points at them.

    Args:
        kubernetes: calls with the caller's kubeconfig.
        rest: calls with the caller's API key.
    """

    def __init__(self, kubernetes: KubeClient, rest: httpx.AsyncClient) -> None:
        self.kubernetes = kubernetes
        self.rest = rest
        self._pod_spec: Manifest = {}

    @property
    def image(self) -> str:
        """The image that tasks run in."""
        return str(self._pod_spec["containers"][0]["image"])

    def pod_spec(self) -> Manifest:
        """Return the spec of the pod that Icefield makes of a task, as it was before a node ran it."""
        return copy.deepcopy(self._pod_spec)

    async def create_job(self, tasks: list[dict[str, Any]]) -> str:
        """Create an Icefield job of these tasks, and return its id."""
        body = {"name": f"bench-{secrets.token_hex(4)}", "tasks": tasks, "flavor": FLAVOR}
        return str((await self.rest.post("/jobs", json=body)).raise_for_status().json()["id"])

    async def start_run(self, job: str) -> str:
        """Start a run of an Icefield job, and return its id."""
        return str((await self.rest.post(f"/jobs/{job}/run")).raise_for_status().json()["run_id"])

    async def delete_job(self, job: str) -> None:
        """Delete an Icefield job with its runs."""
        (await self.rest.delete(f"/jobs/{job}")).raise_for_status()

    @asynccontextmanager
    async def watch(self, path: str, selector: str = "") -> AsyncIterator[AsyncIterator[Manifest]]:
        """Yield the objects of a collection as they change, from now on.

        Args:
            path: of the collection.
            selector: labels that they carry.
        """
        version = (await self.kubernetes.call("GET", path, query={"limit": "1"}))["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": version, "labelSelector": selector}
        async with self.kubernetes.stream(path, query, idle_seconds=PATIENCE_SECONDS) as lines:

            async def objects() -> AsyncIterator[Manifest]:
                async for line in lines:
                    yield json.loads(line)["object"]

            yield objects()

    async def delete_runs(self, run_ids: Collection[str]) -> None:
        """Delete runs, with their pods."""
        for run in (await self.kubernetes.call("GET", RUNS))["items"]:
            if public_id(Run.ID_PREFIX, run["metadata"]["uid"]) in run_ids:
                path = path_of("Run", NAMESPACE, run["metadata"]["name"])
                await self.kubernetes.call("DELETE", path, body=delete_options())

    async def clear(self, collections: tuple[str, ...], selector: str) -> None:
        """Delete what carries these labels and the pods that do, and wait until no such pod is left.

        Args:
            collections: paths of collections.
            selector: labels.
        """
        for path in (*collections, PODS):
            query = {"labelSelector": selector, "gracePeriodSeconds": "0"}
            await self.kubernetes.call("DELETE", path, query=query, body=delete_options())
        await self.wait_until_gone(selector)

    async def wait_until_gone(self, selector: str, remaining: int = 0) -> None:
        """Wait until no more than that many pods carry these labels."""

        async def are_gone() -> bool:
            return (
                len((await self.kubernetes.call("GET", PODS, query={"labelSelector": selector}))["items"]) <= remaining
            )

        await eventually(are_gone, patience=PATIENCE_SECONDS)

    @asynccontextmanager
    async def flavor(self) -> AsyncIterator[None]:
        """Have the flavor of all tasks."""
        metadata = {"name": FLAVOR}
        manifest = {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": metadata, "spec": FLAVOR_SPEC}
        await self.kubernetes.call("POST", path_of("Flavor", None), body=manifest)
        try:
            yield
        finally:
            await self.kubernetes.call("DELETE", path_of("Flavor", None, FLAVOR), body=delete_options())

    @asynccontextmanager
    async def holder(self) -> AsyncIterator[None]:
        """Have one run that sleeps, whose pod's spec is known, and the Secrets that this names."""
        job = await self.create_job([{"key": "holder", "command": "sleep 86400"}])
        try:
            async with self.watch(PODS, TASK_PODS) as pods:
                run = (await self.rest.get(f"/runs/{await self.start_run(job)}")).raise_for_status().json()["name"]
                async for pod in pods:
                    if pod["metadata"]["labels"].get(labels.RUN) == run and pod["status"].get("phase") == "Running":
                        break
            assigned = ("nodeName", "tolerations", "priority", "activeDeadlineSeconds")
            self._pod_spec = {key: value for key, value in pod["spec"].items() if key not in assigned}
            yield
        finally:
            await self.delete_job(job)


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """Yield the cluster; POLNOR_API_URL, POLNOR_TOKEN and KUBECONFIG say where it is."""
    async with AsyncExitStack() as stack:
        kubernetes = await KubeClient.connect(60)
        stack.push_async_callback(kubernetes.close)
        rest = httpx.AsyncClient(
            base_url=os.environ["POLNOR_API_URL"] + "/api/v1",
            headers={"Authorization": f"Bearer {os.environ['POLNOR_TOKEN']}"},
            timeout=PATIENCE_SECONDS,
        )
        cluster = Cluster(kubernetes, await stack.enter_async_context(rest))
        await stack.enter_async_context(cluster.flavor())
        await stack.enter_async_context(cluster.holder())
        yield cluster

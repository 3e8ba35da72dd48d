"""What every benchmark needs of the platform that `icefield env` points at."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from kubernetes import client, config, watch

NAMESPACE = "icefield-demo"
GROUP, VERSION = "icefield.dev", "v1alpha1"
WATCH_SECONDS = 120


class Platform:
    """REST with the caller's key, and Kubernetes with the caller's kubeconfig."""

    def __init__(self) -> None:
        """Read POLNOR_API_URL, POLNOR_TOKEN and KUBECONFIG; fail with a KeyError when one is missing."""
        self.rest = httpx.Client(
            base_url=os.environ["POLNOR_API_URL"] + "/api/v1",
            headers={"Authorization": f"Bearer {os.environ['POLNOR_TOKEN']}"},
            timeout=30,
        )
        config.load_kube_config(os.environ["KUBECONFIG"])
        self.core = client.CoreV1Api()
        self.custom = client.CustomObjectsApi()

    def create_job(self, tasks: list[dict[str, Any]]) -> str:
        """Create a job with a name of its own and return its id."""
        answer = self.rest.post("/jobs", json={"name": f"bench-{secrets.token_hex(4)}", "tasks": tasks})
        answer.raise_for_status()
        job_id: str = answer.json()["id"]
        return job_id

    def start_run(self, job_id: str) -> str:
        """Trigger a run and return its id."""
        answer = self.rest.post(f"/jobs/{job_id}/run")
        answer.raise_for_status()
        run_id: str = answer.json()["run_id"]
        return run_id

    def wait_for_run(self, run_id: str) -> dict[str, Any]:
        """Watch Runs until the one with this id has ended, and return it."""
        run = self._wait(run_id, lambda run: run.get("status", {}).get("phase") in ("success", "failed", "cancelled"))
        if run["status"]["phase"] != "success":
            raise RuntimeError(f"{run_id} ended {run['status']['phase']}: {run['status'].get('error')}")
        return run

    def wait_for_pod(self, name: str) -> None:
        """Watch a pod until it has succeeded."""
        events = watch.Watch().stream(
            self.core.list_namespaced_pod,
            NAMESPACE,
            field_selector=f"metadata.name={name}",
            timeout_seconds=WATCH_SECONDS,
        )
        for event in events:
            if event["object"].status.phase == "Succeeded":
                return
        raise TimeoutError(f"pod {name} did not succeed within {WATCH_SECONDS} s")

    @contextmanager
    def pod_spec(self) -> Iterator[dict[str, Any]]:
        """Yield the spec of a task's pod, while the Secret that it refers to exists: that dies with its run."""
        run_id = self.start_run(self.create_job([{"key": "holder", "command": "sleep 86400"}]))
        try:
            run = self._wait(run_id, lambda run: run.get("status", {}).get("phase") == "running")
            pod = self.core.read_namespaced_pod(run["status"]["tasks"][0]["attempts"][0]["podName"], NAMESPACE)
            pod.spec.node_name = None
            spec: dict[str, Any] = client.ApiClient().sanitize_for_serialization(pod.spec)
            yield spec
        finally:
            self.rest.post(f"/runs/{run_id}/cancel").raise_for_status()

    def create_pod(self, spec: dict[str, Any], command: str) -> str:
        """Create a pod of this spec that runs a shell command instead, under a name of its own; return the name."""
        name = f"bench-{secrets.token_hex(4)}"
        container = {**spec["containers"][0], "command": [*spec["containers"][0]["command"][:-1], command]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {**spec, "containers": [container]},
        }
        self.core.create_namespaced_pod(NAMESPACE, pod)
        return name

    def delete_pod(self, name: str) -> None:
        """Delete a pod and do not wait."""
        self.core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)

    def log_of(self, pod_name: str) -> str:
        """Return what a pod printed."""
        text: str = self.core.read_namespaced_pod_log(pod_name, NAMESPACE)
        return text

    def _wait(self, run_id: str, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        events = watch.Watch().stream(
            self.custom.list_namespaced_custom_object,
            GROUP,
            VERSION,
            NAMESPACE,
            "runs",
            timeout_seconds=WATCH_SECONDS,
        )
        for event in events:
            run: dict[str, Any] = event["object"]
            if f"run_{run['metadata']['uid'].replace('-', '')[:12]}" == run_id and is_reached(run):
                return run
        raise TimeoutError(f"{run_id} did not get there within {WATCH_SECONDS} s")

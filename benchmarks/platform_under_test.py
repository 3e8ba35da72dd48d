"""What every benchmark needs of the platform that `icefield env` points at."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
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
        for run in self._watch_runs():
            if f"run_{run['metadata']['uid'].replace('-', '')[:12]}" == run_id and _ended(run):
                if run["status"]["phase"] != "success":
                    raise RuntimeError(f"{run_id} ended {run['status']['phase']}: {run['status'].get('error')}")
                return run
        raise TimeoutError(f"{run_id} did not end within {WATCH_SECONDS} s")

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

    def pod_manifest(self, pod_name: str) -> dict[str, Any]:
        """Return the spec of an existing pod, ready to be created again under another name."""
        pod = self.core.read_namespaced_pod(pod_name, NAMESPACE)
        pod.spec.node_name = None
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": ""},
            "spec": client.ApiClient().sanitize_for_serialization(pod.spec),
        }

    def create_pod(self, manifest: dict[str, Any]) -> str:
        """Create a pod from the manifest with a name of its own and return the name."""
        name = f"bench-{secrets.token_hex(4)}"
        self.core.create_namespaced_pod(NAMESPACE, {**manifest, "metadata": {"name": name}})
        return name

    def delete_pod(self, name: str) -> None:
        """Delete a pod and do not wait."""
        self.core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)

    def log_of(self, pod_name: str) -> str:
        """Return what a pod printed."""
        text: str = self.core.read_namespaced_pod_log(pod_name, NAMESPACE)
        return text

    def _watch_runs(self) -> Iterator[dict[str, Any]]:
        events = watch.Watch().stream(
            self.custom.list_namespaced_custom_object,
            GROUP,
            VERSION,
            NAMESPACE,
            "runs",
            timeout_seconds=WATCH_SECONDS,
        )
        return (event["object"] for event in events)


def _ended(run: dict[str, Any]) -> bool:
    return run.get("status", {}).get("phase") in ("success", "failed", "cancelled")

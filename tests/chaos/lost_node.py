"""A node that takes pods and then is never heard of again: of this machine's one node, no test can ask that."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import httpx
from tests.kubernetes_client import KubernetesClient

from icefield_crds.names import API_VERSION

NODES = ("v1", "nodes")
PODS = ("v1", "pods")
TAINT = "icefield.dev/test-lost-node"
FLAVOR = "lost.1"
"""A flavor whose pods may go to the node, as to any other."""


class LostNode:
    """A Node without a machine: its pods are reported as running, and print nothing."""

    def __init__(self, cluster: KubernetesClient, name: str, pods: int) -> None:
        """Describe a node that takes at most so many pods at once."""
        self._cluster = cluster
        self.name = name
        self._pods = pods
        self._lost = threading.Event()
        self._kubelet = threading.Thread(target=self._report, daemon=True)

    def join(self) -> None:
        """Register it, ready, with a taint that keeps the platform's own pods away."""
        toleration = {"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}
        requests = {"cpu": "50m", "memory": "128Mi"}
        spec = {"cpu": "1", "memory": "1Gi", "requests": requests, "tolerations": [toleration]}
        self._cluster.apply({"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": FLAVOR}, "spec": spec})
        taint = {"key": TAINT, "effect": "NoSchedule"}
        metadata = {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}}
        self._cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}})
        self._heartbeat()
        self._kubelet.start()

    def lose(self) -> None:
        """Fall silent: nothing is reported any more, and nothing that is asked of it is done."""
        self._lost.set()
        self._kubelet.join()

    def remove(self) -> None:
        """Take the Node away, as a cloud does with a machine that is gone; Kubernetes then removes its pods."""
        self._cluster.delete(NODES, self.name)

    def _report(self) -> None:
        while not self._lost.wait(1.0):
            try:
                self._heartbeat()
                for pod in self._cluster.list(PODS):
                    if pod["spec"].get("nodeName") == self.name and pod["status"]["phase"] == "Pending":
                        self._run(pod)
            except httpx.HTTPError:
                continue  # kube-apiserver is one of those that are killed

    def _heartbeat(self) -> None:
        size = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": str(self._pods)}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
        status = {"capacity": size, "allocatable": size, "conditions": [ready]}
        self._cluster.patch(NODES, self.name, {"status": status}, subresource="status")

    def _run(self, pod: dict[str, Any]) -> None:
        containers = [
            {
                "name": container["name"],
                "state": {"running": {"startedAt": _now()}},
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "started": True,
            }
            for container in pod["spec"]["containers"]
        ]
        status = {"phase": "Running", "startTime": _now(), "containerStatuses": containers}
        metadata = pod["metadata"]
        self._cluster.patch(PODS, metadata["name"], {"status": status}, metadata["namespace"], "status")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

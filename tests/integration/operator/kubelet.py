"""Simulates the kubelet and the scheduler where there is no node: binds pods and writes their status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from icefield_crds import format_time
from icefield_kube.client import Manifest
from icefield_kube.errors import NotFound
from icefield_operator.cluster import Cluster


class Kubelet:
    """Does by hand to single pods what a node would do."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    async def join(self) -> None:
        """Register the node: pods of a node that does not exist are deleted after 40 s by the controller manager."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._node}}
        await self._cluster._request("POST", "/api/v1/nodes", body=node)

    async def leave(self) -> None:
        """Take the node away, and with it its pods."""
        await self._cluster._request("DELETE", f"/api/v1/nodes/{self._node}")

    async def bind(self, namespace: str, name: str) -> None:
        """Schedule a pod."""
        pod = await self._cluster.get("Pod", namespace, name)
        if pod is None:
            raise NotFound(404, f"pod {name} was deleted before it was scheduled")
        if "nodeName" in pod["spec"]:
            return
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        await self._cluster._request("POST", path, body=body)

    async def start(self, namespace: str, name: str) -> None:
        """Let the container of a pod run."""
        await self.bind(namespace, name)
        state = {"running": {"startedAt": _now()}}
        await self._write(namespace, name, {"phase": "Running", **_status(state)})

    async def finish(
        self, namespace: str, name: str, exit_code: int = 0, *, oom: bool = False, message: str = ""
    ) -> None:
        """Let the container of a pod end by itself, with this termination message."""
        await self.bind(namespace, name)
        reason = "OOMKilled" if oom else "Completed" if exit_code == 0 else "Error"
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": _now(), "finishedAt": _now()}
        if message:
            ended["message"] = message
        phase = "Succeeded" if exit_code == 0 else "Failed"
        await self._write(namespace, name, {"phase": phase, **_status({"terminated": ended})})

    async def wait(self, namespace: str, name: str, reason: str, message: str) -> None:
        """Let the container of a pod be kept from starting."""
        await self.bind(namespace, name)
        state = {"waiting": {"reason": reason, "message": message}}
        await self._write(namespace, name, {"phase": "Pending", **_status(state)})

    async def refuse(self, namespace: str, name: str, reason: str) -> None:
        """Refuse a pod that was scheduled."""
        await self.bind(namespace, name)
        await self._write(namespace, name, {"phase": "Failed", "reason": reason, "message": "Pod was rejected"})

    async def prepare(self, namespace: str, name: str) -> None:
        """Begin to start a pod, its volumes and its network first."""
        await self.wait(namespace, name, "ContainerCreating", "")

    async def warn(self, pod: Manifest, reason: str, message: str) -> None:
        """Report an event of a pod."""
        metadata = pod["metadata"]
        event = {
            "metadata": {"generateName": "e-", "namespace": metadata["namespace"]},
            "involvedObject": {"kind": "Pod", "uid": metadata["uid"], **_named(metadata)},
            "reason": reason,
            "message": message,
            "type": "Warning",
            "lastTimestamp": _now(),
        }
        await self._cluster._request("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", body=event)

    async def finish_beside_sidecar(self, namespace: str, name: str, exit_code: int) -> None:
        """Let the task of a pod end while something beside it keeps the pod running."""
        await self.bind(namespace, name)
        ended = {"exitCode": exit_code, "reason": "Error", "startedAt": _now(), "finishedAt": _now()}
        await self._write(namespace, name, {"phase": "Running", **_status({"terminated": ended})})

    async def stop_responding(self, namespace: str, name: str) -> None:
        """Mark a pod as the control plane does when its node does not respond."""
        conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
        await self._write(namespace, name, {"conditions": conditions})

    async def enforce_deadline(self, namespace: str, name: str, *, ran: bool = True) -> None:
        """End a pod whose activeDeadlineSeconds are over."""
        ended: dict[str, Any] = {"exitCode": 143, "reason": "Error", "startedAt": _now(), "finishedAt": _now()}
        if not ran:
            ended = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
        status = {"phase": "Failed", "reason": "DeadlineExceeded", **_status({"terminated": ended})}
        await self._write(namespace, name, status)

    async def _write(self, namespace: str, name: str, status: Manifest) -> None:
        await self._cluster.merge_patch("Pod", namespace, f"{name}/status", {"status": status})


def _named(metadata: Manifest) -> dict[str, str]:
    return {"name": metadata["name"], "namespace": metadata["namespace"]}


def _status(state: Manifest) -> Manifest:
    container = {
        "name": "task",
        "state": state,
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "started": "running" in state,
    }
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": _now()}
    return {"startTime": _now(), "conditions": [scheduled], "containerStatuses": [container]}


def _now() -> str:
    return format_time(datetime.now(UTC))

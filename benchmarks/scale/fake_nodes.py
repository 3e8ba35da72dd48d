"""Nodes that KWOK simulates: they run any number of pods, whose containers end as soon as they have started.

KWOK (sigs.k8s.io/kwok) writes the status that a kubelet would. Its own stages finish pods of batch/v1 Jobs only, so
these are ours: a pod with `restartPolicy: Never` runs, and ends unless its label `icefield.dev/task` is `hold`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tests.kubernetes_client import KubernetesClient

from icefield_cluster import processes
from icefield_cluster.commands import Argument
from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import KWOK

ANNOTATION = {"kwok.x-k8s.io/node": "fake"}
ADDRESS = "127.0.0.1"
LEASE_SECONDS = 40
"""Without leases the nodes would turn NotReady."""
HELD_TASK = "hold"
"""Key of a task that never ends."""

_CONTAINER_STATUSES = """\
{{ $now := Now }}
phase: %(phase)s
startTime: {{ or .status.startTime $now | Quote }}
podIP: 10.0.0.1
conditions:
- {type: PodScheduled, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  containerID: fake://{{ .name }}
  ready: false
  restartCount: 0
  started: %(started)s
  state:
    %(state)s
{{ end }}
"""
_RUNNING = "running: {startedAt: {{ $now | Quote }}}"
_ENDED = (
    "terminated: {containerID: fake://{{ .name }}, exitCode: 0, reason: Completed, "
    "startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}"
)


class PodLog(NamedTuple):
    """The log of one pod: whoever follows it gets the lines that are appended to the file.

    Attributes:
        file: lines as a container runtime writes them. In a folder of its own, as each follower watches the folder.
    """

    namespace: str
    pod: str
    file: Path


def start(folder: Path, kubeconfig: Path, port: int, logs: Iterable[PodLog]) -> processes.Process:
    """Start KWOK for the nodes that `join` makes.

    Args:
        folder: for its files.
        kubeconfig: the administrator's.
        port: where it answers for the kubelets.
        logs: of some pods; the log of any other is one line.
    """
    binaries.ensure(KWOK, folder / "build-kwok.log")
    key, certificate, configuration = folder / "kubelet.key", folder / "kubelet.crt", folder / "kwok.yaml"
    # kube-apiserver verifies a kubelet's certificate only with --kubelet-certificate-authority.
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=kwok", "-addext", f"subjectAltName=IP:{ADDRESS}"]
    files: list[Argument] = ["-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *request, *subject, *files], check=True, capture_output=True, timeout=60)
    log = folder / "task-log" / "task.log"  # alone in its folder, as each follower watches the folder
    log.parent.mkdir()
    log.write_text("2026-01-01T00:00:00.000000000Z stdout F the task printed this line\n")
    configuration.write_text(yaml.safe_dump_all([*_stages(), _logs_of_all(log), *map(_logs_of_one, logs)]))
    argv: list[Argument] = [binaries.find("kwok"), "--kubeconfig", kubeconfig, "--config", configuration]
    argv += ["--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake"]
    argv += ["--node-ip", ADDRESS, "--node-port", str(port), "--server-address", f"{ADDRESS}:{port}"]
    argv += ["--tls-cert-file", certificate, "--tls-private-key-file", key]
    argv += ["--node-lease-duration-seconds", str(LEASE_SECONDS)]
    return processes.spawn("kwok", argv, log=folder / "kwok.log")


def join(client: KubernetesClient, count: int) -> None:
    """Register nodes with room for any number of pods."""
    for number in range(count):
        metadata = {"name": f"fake-{number}", "annotations": ANNOTATION, "labels": {"type": "kwok"}}
        client.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})


def are_ready(client: KubernetesClient) -> bool:
    """Return whether every node is ready."""
    nodes = client.list(("v1", "nodes"))
    return all(
        any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))
        for node in nodes
    )


def _stages() -> list[dict[str, Any]]:
    node = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "NotIn",
        "values": ["True"],
    }
    never = {"key": ".spec.restartPolicy", "operator": "In", "values": ["Never"]}
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    unstarted = {"key": ".status.podIP", "operator": "DoesNotExist"}
    running = {"key": ".status.phase", "operator": "In", "values": ["Running"]}
    ends = {"key": '.metadata.labels["icefield.dev/task"]', "operator": "NotIn", "values": [HELD_TASK]}
    started = _CONTAINER_STATUSES % {"phase": "Running", "started": "true", "state": _RUNNING}
    ended = _CONTAINER_STATUSES % {"phase": "Succeeded", "started": "false", "state": _ENDED}
    deleted = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    return [
        _stage("node-ready", "Node", [node], {"statusTemplate": _NODE}),
        _stage("pod-start", "Pod", [alive, never, unstarted], {"statusTemplate": started}),
        _stage("pod-end", "Pod", [alive, never, running, ends], {"statusTemplate": ended}),
        _stage("pod-delete", "Pod", [deleted], {"delete": True}),
    ]


_NODE = """\
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ NodeName | Quote }}}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
allocatable: {cpu: 1k, memory: 1Ti, pods: 1M, ephemeral-storage: 1Ti}
capacity: {cpu: 1k, memory: 1Ti, pods: 1M, ephemeral-storage: 1Ti}
phase: Running
"""


def _stage(name: str, kind: str, conditions: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": conditions},
            "next": then,
        },
    }


def _logs_of_one(log: PodLog) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Logs",
        "metadata": {"name": log.pod, "namespace": log.namespace},
        "spec": {"logs": [{"logsFile": str(log.file)}]},
    }


def _logs_of_all(file: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "every-pod"},
        "spec": {"logs": [{"logsFile": str(file)}]},
    }

"""Ends the platform's own processes without a warning."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import psutil
from tests.e2e.scenarios import Scenario

from icefield_cluster.standalone import pki, services
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id

SYSTEM = "icefield-system"
LEASE = "icefield-operator-leader"
STORE = "statefulset/icefield-object-store"


def kill_operator(scenario: Scenario) -> None:
    """End the operator, then replace its pod, or the kubelet would wait ever longer to restart it.

    The next one waits until the Lease has run out: only this pod's own container could know that its holder is dead.
    """
    for process in _operator_processes(scenario.platform.cgroup):
        with suppress(psutil.NoSuchProcess):  # it ended with the first process of its container
            process.kill()
    _delete_pods(scenario, "icefield-operator")


def kill_api_server(scenario: Scenario) -> None:
    """End the API server; its Deployment makes another."""
    _delete_pods(scenario, "icefield-apiserver")


def leader(scenario: Scenario) -> str:
    """Return the pod of the operator that acts; empty when none does."""
    found = scenario.kubectl("-n", SYSTEM, "get", "lease", LEASE, "-o", "jsonpath={.spec.holderIdentity}")
    return found.strip()


def wait_for_another_leader(scenario: Scenario, than: str, patience: float = 180) -> None:
    """Wait until an operator acts that is not the one named."""
    deadline = time.monotonic() + patience
    while leader(scenario) in ("", than):
        assert time.monotonic() < deadline, f"no operator took over from {than}"
        time.sleep(0.5)


def kill_kube_apiserver(scenario: Scenario) -> None:
    """End kube-apiserver, and start it again as whatever supervises it does."""
    state = scenario.platform.state
    node = NodeLayout(state.directory, ClusterNetwork(cluster_id(state.name, state.directory), state.number))
    known = state.processes["kube-apiserver"]
    process = psutil.Process(known.pid)
    process.kill()
    process.wait(10)
    services.ensure(state, node, known.name, known.argv, configuration=pki.digest(node.control_plane))


def restart_postgres(scenario: Scenario) -> None:
    """Have Postgres's pod replaced."""
    scenario.kubectl("-n", SYSTEM, "delete", "pod", "icefield-postgres-0", "--wait=false")


def take_object_store_away(scenario: Scenario) -> None:
    """Take the object store's pod away until it is brought back."""
    scenario.kubectl("-n", SYSTEM, "scale", STORE, "--replicas=0")


def bring_object_store_back(scenario: Scenario) -> None:
    """Bring the object store's pod back, with its data."""
    scenario.kubectl("-n", SYSTEM, "scale", STORE, "--replicas=1")


def running_task_pods(scenario: Scenario, namespace: str, node: str) -> list[str]:
    """Return the names of task pods whose process runs on a node, and whose end nobody asked for."""
    labels = "-l=app.kubernetes.io/component=task"
    found = json.loads(scenario.kubectl("-n", namespace, "get", "pods", labels, "-o", "json"))["items"]
    return [
        pod["metadata"]["name"]
        for pod in found
        if pod["spec"].get("nodeName") == node
        and pod["status"].get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    ]


def wait_until_back(scenario: Scenario, name: str) -> None:
    """Wait until a Deployment of the platform is whole again."""
    scenario.kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{name}", "--timeout=120s")


def kill_processes_of(pod_uid: str) -> None:
    """End everything that runs in a pod, its first process too; nothing when it has ended already."""
    for process in psutil.process_iter():
        try:
            if pod_uid in Path(f"/proc/{process.pid}/cgroup").read_text():
                process.kill()
        except (OSError, psutil.NoSuchProcess):
            continue


def delete_pod(scenario: Scenario, namespace: str, name: str) -> None:
    """Take a pod away without a warning; nothing when it has gone already."""
    command = ["-n", namespace, "delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found"]
    scenario.kubectl(*command)


def _delete_pods(scenario: Scenario, name: str) -> None:
    pods = ["delete", "pod", "-n", SYSTEM, "-l", f"app.kubernetes.io/name={name}"]
    scenario.kubectl(*pods, "--grace-period=0", "--force")


def _operator_processes(cgroup: str) -> list[psutil.Process]:
    """The operator's processes of this cluster, distinguished from another cluster's by their cgroup."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            is_ours = f"/{cgroup}/" in Path(f"/proc/{process.pid}/cgroup").read_text()
        except OSError:
            continue
        if is_ours and "icefield_operator" in (process.info["cmdline"] or ()):
            found.append(process)
    return found

"""Ends the platform's own processes without a warning."""

from __future__ import annotations

from pathlib import Path

import psutil
from tests.e2e.scenarios import Scenario

SYSTEM = "icefield-system"


def kill_operator(scenario: Scenario) -> None:
    """End the operator, then replace its pod, or the kubelet would wait ever longer to restart it."""
    for process in _operator_processes(scenario.platform.cgroup):
        process.kill()
    _delete_pods(scenario, "icefield-operator")


def kill_api_server(scenario: Scenario) -> None:
    """End the API server; its Deployment makes another."""
    _delete_pods(scenario, "icefield-apiserver")


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
        if is_ours and "icefield_operator" in " ".join(process.info["cmdline"] or ()):
            found.append(process)
    return found

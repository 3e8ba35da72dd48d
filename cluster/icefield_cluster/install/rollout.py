"""Waits until the platform's pods run, and fails at once when one of them cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from icefield_cluster.commands import CommandError
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.kubectl import Kubectl

FIX = 'look at the pods and their events: eval "$(.venv/bin/icefield env)"; kubectl -n icefield-system get pods,events'
# A container may fail until its dependencies run; one that failed this often does not recover by itself.
RESTARTS_TOLERATED = 4
HOPELESS = frozenset({"ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"})
# The kubelet may not have seen a new Secret or image yet.
HOPELESS_AFTER = 30.0


def wait(kubectl: Kubectl, namespace: str, log: Path, note: Callable[[str], None], *, timeout: float) -> None:
    """Wait until every Deployment, StatefulSet and DaemonSet of a namespace runs what was applied last.

    Args:
        kubectl: reaches the cluster.
        namespace: where they are.
        log: gets the logs of a pod that does not come up.
        note: called with what is still waited for.
        timeout: seconds.

    Raises:
        ClusterError: a pod cannot come up, or time is up; the log has the reason.
    """
    started = time.monotonic()

    def find_unfinished() -> list[str]:
        waiting = unfinished(_items(kubectl, namespace, "deployments,statefulsets,daemonsets"))
        note(f"waiting for {', '.join(waiting)}" if waiting else "")
        if waiting:
            _check_pods(kubectl, namespace, log, patient=time.monotonic() - started < HOPELESS_AFTER)
        return waiting

    poll = Retrying(retry=retry_if_result(bool), wait=wait_fixed(0.5), stop=stop_after_delay(timeout))
    try:
        poll(find_unfinished)
    except RetryError as error:
        _collect_logs(kubectl, namespace, _new_pods(kubectl, namespace), log)
        names = ", ".join(error.last_attempt.result())
        raise ClusterError(f"{names} did not come up in {timeout:.0f} s", fix=FIX, log=log) from None


def _check_pods(kubectl: Kubectl, namespace: str, log: Path, *, patient: bool) -> None:
    pods = _new_pods(kubectl, namespace)
    if broken := next(filter(None, (problem(pod, patient=patient) for pod in pods)), None):
        _collect_logs(kubectl, namespace, pods, log)
        raise ClusterError(broken, fix=FIX, log=log)


def unfinished(workloads: Iterable[dict[str, Any]]) -> list[str]:
    """Names of the workloads whose pods are not all new and available."""
    return [item["metadata"]["name"] for item in workloads if not _is_finished(item)]


def _is_finished(item: dict[str, Any]) -> bool:
    status = item.get("status", {})
    if "desiredNumberScheduled" in status:
        wanted = status["desiredNumberScheduled"]
        counts = [status.get(name, 0) for name in ("updatedNumberScheduled", "numberAvailable")]
    else:
        wanted = item["spec"].get("replicas", 1)
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    return seen and all(count == wanted for count in counts)


def problem(pod: dict[str, Any], *, patient: bool) -> str:
    """Why a pod cannot come up by itself; empty while it still may.

    Args:
        pod: the pod.
        patient: whether reasons that may be temporary are ignored.
    """
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        reason, name = waiting.get("reason", ""), pod["metadata"]["name"]
        if reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= RESTARTS_TOLERATED:
            return f"the container {container['name']} of {name} keeps ending"
        if reason in HOPELESS and not patient:
            return f"{name}: {reason}: {waiting.get('message', '')}"
    return ""


def _new_pods(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    # Pods of an earlier version are being replaced, perhaps because they fail.
    objects = _items(kubectl, namespace, "pods,replicasets,statefulsets")
    hashes = {item["status"].get("updateRevision") for item in objects if item["kind"] == "StatefulSet"}
    newest: dict[str, tuple[int, str]] = {}
    for item in objects:
        if item["kind"] == "ReplicaSet":
            revision = int(item["metadata"]["annotations"].get("deployment.kubernetes.io/revision", 0))
            owner = item["metadata"]["ownerReferences"][0]["name"]
            label = item["metadata"]["labels"]["pod-template-hash"]
            newest[owner] = max(newest.get(owner, (0, "")), (revision, label))
    hashes.update(label for _, label in newest.values())
    return [item for item in objects if item["kind"] == "Pod" and _revision(item) in hashes]


def _revision(pod: dict[str, Any]) -> str:
    labels = pod["metadata"].get("labels", {})
    return str(labels.get("pod-template-hash") or labels.get("controller-revision-hash"))


def _items(kubectl: Kubectl, namespace: str, kinds: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = kubectl.get(kinds, f"--namespace={namespace}").get("items", [])
    return items


def _collect_logs(kubectl: Kubectl, namespace: str, pods: Iterable[dict[str, Any]], log: Path) -> None:
    place = f"--namespace={namespace}"
    # Logs of failing containers come last: the user is shown the end of the file.
    kubectl_calls: list[tuple[str, ...]] = [("get", "pods", place, "--output=wide"), ("get", "events", place)]
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            if not container.get("ready", False):
                which = (pod["metadata"]["name"], f"--container={container['name']}", place, "--tail=40")
                previous = ("--previous",) if container.get("restartCount", 0) else ()
                kubectl_calls.append(("logs", *which, *previous))
    for arguments in kubectl_calls:
        try:
            kubectl.run(*arguments, log=log, timeout=30)
        except CommandError:
            continue

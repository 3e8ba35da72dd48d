"""Pure: why a pod does not start and why it ended, worded once for every kind.

Sources: kubernetes/kubernetes v1.34, pkg/kubelet/images/types.go (image reasons), pkg/kubelet/kuberuntime (container
reasons), pkg/kubelet/active_deadline.go (DeadlineExceeded), pkg/kubelet/eviction (Evicted), pkg/apis/core/types.go
(DisruptionTarget).
"""

from __future__ import annotations

import re
import signal
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from icefield_kube.client import Manifest

from .pod_status import condition, container_statuses, time_of
from .quantity import MIB

START_TIMEOUT = timedelta(minutes=5)
"""How long a scheduled pod may fail to start its containers: a registry may recover, a Secret may be created."""

_PERMANENT = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "ImageInspectError", "RegistryUnavailable", *_PERMANENT})
_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PULL_NOISE = re.compile(r'^Back-off pulling image "[^"]*"(: (?=\S)|$)|ErrImagePull: |rpc error: code = \w+ desc = ')
_LIMIT = 1000
DEADLINE_EXCEEDED = "DeadlineExceeded"
_OOM_KILLED = "OOMKilled"
_EVICTED = "Evicted"
_LOCAL_STORAGE = re.compile(r"emptydir|ephemeral.{0,8}storage", re.IGNORECASE)


class _Waiting(NamedTuple):
    container: str
    reason: str
    message: str


def give_up_time(pod: Manifest) -> datetime | None:
    """Return when to stop waiting for a pod's containers to start; None while nothing is wrong with them."""
    waiting = _waiting(pod)
    if waiting is None or pod.get("status", {}).get("phase") != "Pending":
        return None
    since = time_of(condition(pod, "PodScheduled").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if since is None:
        return None
    return since if waiting.reason in _PERMANENT else since + START_TIMEOUT


def describe_waiting(pod: Manifest) -> str | None:
    """Return what a pending pod waits for; None when that is not worth reporting."""
    if waiting := _waiting(pod):
        if waiting.reason in _PULL:
            return truncate(_pull_message(pod, waiting))
        return truncate(f"the container cannot be started: {waiting.message or waiting.reason}")
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return truncate(f"waiting for room in the cluster: {_why_unschedulable(scheduled.get('message', ''))}")
    return None


def describe_oom_kill(pod: Manifest, container: str, terminated: Manifest, subject: str) -> str | None:
    """Return the message of a container that the kernel killed for its memory; None when it ended otherwise.

    Args:
        pod: the pod.
        container: name of the container.
        terminated: the container's `state.terminated` or `lastState.terminated`.
        subject: what the owner knows the container as, such as `the task`.
    """
    if terminated.get("reason") != _OOM_KILLED:
        return None
    return f"{subject} ran out of memory (limit {_memory_limit(pod, container)})"


def describe_exit(terminated: Manifest, subject: str) -> str:
    """Return the message of a container that ended by itself.

    A shell, and tini, report a process that a signal killed as 128 + the signal's number.
    """
    code = terminated.get("exitCode", 0)
    killed = next((f" (killed by {s.name})" for s in signal.Signals if code == 128 + s), "")
    return f"{subject} {'failed' if code else 'ended'} with exit code {code}{killed}"


def describe_disruption(pod: Manifest) -> str | None:
    """Return why the cluster ended a pod: an eviction, a drain, a node that shut down; None when it did not."""
    status = pod.get("status", {})
    if reason := status.get("reason"):
        return truncate(f"the pod was ended by the cluster ({reason}): {status.get('message') or ''}".rstrip(": "))
    if disrupted := disruption(pod):
        return truncate(f"the pod was ended by the cluster: {disrupted.get('message') or ''}".rstrip(": "))
    return None


def describe_preparation_failure(pod: Manifest) -> str | None:
    """Return why an init container failed; None when none did."""
    for container in pod.get("status", {}).get("initContainerStatuses") or []:
        terminated = container.get("state", {}).get("terminated") or {}
        if terminated.get("exitCode"):
            reason = terminated.get("message") or terminated.get("reason")
            return truncate(f"the pod could not be prepared: {reason}")
    return None


def disruption(pod: Manifest) -> dict[str, Any]:
    """Return the condition DisruptionTarget when it is true; empty otherwise."""
    found = condition(pod, "DisruptionTarget")
    return found if found.get("status") == "True" else {}


def exceeded_local_storage(pod: Manifest) -> bool:
    """Return whether the kubelet evicted a pod for what itself wrote to its volumes and its local storage."""
    status = pod.get("status", {})
    return status.get("reason") == _EVICTED and bool(_LOCAL_STORAGE.search(status.get("message") or ""))


def _memory_limit(pod: Manifest, container: str) -> str:
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    limits = (c.get("resources", {}).get("limits", {}).get("memory") for c in containers if c["name"] == container)
    limit = next(limits, None) or "unknown"
    return f"{int(limit) // MIB}Mi" if limit.isdigit() else limit


def truncate(text: str) -> str:
    """Return a text cut to at most 1000 characters."""
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def _why_unschedulable(message: str) -> str:
    """Drop what the scheduler reports about preemption and resource claims: it is not about this pod's own needs."""
    return message.split(" no new claims")[0].split(" preemption:")[0].rstrip(" ,")


def _pull_message(pod: Manifest, waiting: _Waiting) -> str:
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    image = next((c["image"] for c in containers if c["name"] == waiting.container), "?")
    if waiting.reason == "InvalidImageName":
        return f'"{image}" is not a valid image name'
    detail = _PULL_NOISE.sub("", waiting.message).strip()
    return f"image {image} cannot be pulled" + (f": {detail}" if detail else "")


def _waiting(pod: Manifest) -> _Waiting | None:
    for status in container_statuses(pod):
        state = status.get("state", {}).get("waiting") or {}
        if state.get("reason") in _PULL | _CONTAINER:
            return _Waiting(status["name"], state["reason"], state.get("message", ""))
    return None

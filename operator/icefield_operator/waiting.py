"""Pure: what keeps a pod's containers from starting, in words for its owner.

Sources: kubernetes/kubernetes v1.34, pkg/kubelet/images/types.go (image reasons), pkg/kubelet/kuberuntime (container
reasons).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .world import Manifest

PATIENCE = timedelta(minutes=5)
"""How long a scheduled pod may fail to start its containers: a registry, a Secret may come back."""

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "ImageInspectError", "RegistryUnavailable", *_HOPELESS})
_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PULL_NOISE = re.compile(r'^Back-off pulling image "[^"]*"(: (?=\S)|$)|ErrImagePull: |rpc error: code = \w+ desc = ')
_LIMIT = 1000


class _Waiting(NamedTuple):
    container: str
    reason: str
    message: str


def give_up_time(pod: Manifest) -> datetime | None:
    """Return when to stop waiting for a pod's containers to start; None while nothing is wrong with them."""
    waiting = _waiting(pod)
    if waiting is None or pod.get("status", {}).get("phase") != "Pending":
        return None
    began = time_of(condition(pod, "PodScheduled").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if began is None:
        return None
    return began if waiting.reason in _HOPELESS else began + PATIENCE


def message(pod: Manifest) -> str | None:
    """Return what a pending pod waits for, when that is worth telling."""
    if waiting := _waiting(pod):
        if waiting.reason in _PULL:
            return cut(_pull_message(pod, waiting))
        return cut(f"the container cannot be started: {waiting.message or waiting.reason}")
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return cut(f"waiting for room in the cluster: {_why_unschedulable(scheduled.get('message', ''))}")
    return None


def condition(pod: Manifest, type_: str) -> dict[str, Any]:
    """Return the pod's condition of this type; empty when it has none."""
    found = (c for c in pod.get("status", {}).get("conditions") or [] if c["type"] == type_)
    return next(found, {})


def container_status(pod: Manifest, name: str) -> Manifest:
    """Return what the kubelet says of a container, sidecars included; empty before it says anything."""
    return next((status for status in _container_statuses(pod) if status["name"] == name), {})


def time_of(value: str | None) -> datetime | None:
    """Return a time of the Kubernetes API."""
    return datetime.fromisoformat(value) if value else None


def cut(text: str) -> str:
    """Return a text for people, at most 1000 characters long."""
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def _why_unschedulable(message: str) -> str:
    """Leave out what the scheduler says of preemption and resource claims: it is not about this pod's own needs."""
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
    for status in _container_statuses(pod):
        state = status.get("state", {}).get("waiting") or {}
        if state.get("reason") in _PULL | _CONTAINER:
            return _Waiting(status["name"], state["reason"], state.get("message", ""))
    return None


def _container_statuses(pod: Manifest) -> list[Manifest]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]

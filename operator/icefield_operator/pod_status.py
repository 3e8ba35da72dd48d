"""Pure: reads the status of a pod."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from icefield_kube.client import Manifest


def phase_of(pod: Manifest) -> str:
    """Return a pod's phase."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def has_ended(pod: Manifest) -> bool:
    """Return whether a pod's phase is terminal."""
    return phase_of(pod) in ("Succeeded", "Failed")


def condition(pod: Manifest, type_: str) -> dict[str, Any]:
    """Return the pod's condition of this type; empty when it has none."""
    found = (c for c in pod.get("status", {}).get("conditions") or [] if c["type"] == type_)
    return next(found, {})


def container_status(pod: Manifest, name: str) -> Manifest:
    """Return the kubelet's status of a container, sidecars included; empty before there is one."""
    return next((status for status in container_statuses(pod) if status["name"] == name), {})


def container_statuses(pod: Manifest) -> list[Manifest]:
    """Return the kubelet's status of each container, init containers first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def time_of(value: str | None) -> datetime | None:
    """Parse a time of the Kubernetes API."""
    return datetime.fromisoformat(value) if value else None

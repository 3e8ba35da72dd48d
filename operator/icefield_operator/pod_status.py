"""Pure: reads the status of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from icefield_kube.client import Manifest

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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


def container_state(pod: Mapping[str, Any], name: str) -> Manifest:
    """Return the `state` of a container, sidecars included; empty before there is one."""
    return container_status(pod, name).get("state") or {}


def container_status(pod: Mapping[str, Any], name: str) -> Manifest:
    """Return the kubelet's status of a container, sidecars included; empty before there is one."""
    return next((status for status in container_statuses(pod) if status["name"] == name), {})


def container_statuses(pod: Mapping[str, Any]) -> list[Manifest]:
    """Return the kubelet's status of each container, init containers first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def started_at(state: Mapping[str, Any]) -> datetime | None:
    """Return when a container started, from its `state`; None when its process never ran."""
    return time_of((state.get("terminated") or state.get("running") or {}).get("startedAt"))


def time_of(value: str | None) -> datetime | None:
    """Parse a time of the Kubernetes API; the start of 1970 stands for "never" (a container with a StartError)."""
    time = datetime.fromisoformat(value) if value else None
    return time if time is not None and time > _NEVER else None

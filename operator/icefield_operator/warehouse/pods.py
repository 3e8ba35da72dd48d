"""Pure: from a warehouse's pod to what its status reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds.names import GATEWAY_PORT
from icefield_kube.client import Manifest
from icefield_operator import pod_failures, pod_status

from .build import GATEWAY_CONTAINER, HASH_ANNOTATION, SPARK_CONTAINER

CRASHES = 3
"""A warehouse whose gateway crashed this often, and waits to be restarted, is in error."""

SHORTEST_LIFE = timedelta(seconds=15)
"""A pod that the cluster ended sooner than this is replaced only then: the same may happen to the next."""


@dataclass(frozen=True)
class ObservedPod:
    """What a warehouse needs to know of its pod."""

    name: str
    spec_hash: str | None
    """The hash of its spec."""
    is_deleting: bool
    """Whether it is being deleted."""
    ended: bool
    """Whether the cluster ended it: evicted, its node shut down."""
    replace_time: datetime
    """From when on a pod that ended may be replaced."""
    endpoint: str | None
    """URL of the gateway, while it can be reached: also while it drains."""
    gateway_ready: bool
    spark_running: bool
    error: str | None
    """What keeps the gateway from being ready."""
    cannot_start: bool
    """Whether that will hardly pass without a change."""
    give_up_time: datetime | None
    """When it counts as unable to start, if nothing happens until then."""
    spark_error: str | None
    """What keeps Spark from running."""


def observe(pod: Manifest, now: datetime) -> ObservedPod:
    """Return what a warehouse's pod shows."""
    metadata, status = pod["metadata"], pod.get("status", {})
    gateway = pod_status.container_status(pod, GATEWAY_CONTAINER)
    spark = pod_status.container_status(pod, SPARK_CONTAINER)
    ended = pod_status.has_ended(pod)
    ready, is_deleting = bool(gateway.get("ready")), "deletionTimestamp" in metadata
    give_up_time = pod_failures.give_up_time(pod)
    created = pod_status.time_of(metadata.get("creationTimestamp")) or now
    return ObservedPod(
        name=metadata["name"],
        spec_hash=(metadata.get("annotations") or {}).get(HASH_ANNOTATION),
        is_deleting=is_deleting,
        ended=ended,
        replace_time=created + SHORTEST_LIFE,
        endpoint=_endpoint(status.get("podIP"))
        if _is_running(gateway) and not ended and (ready or is_deleting)
        else None,
        gateway_ready=ready and not ended,
        spark_running=_is_running(spark) and not ended,
        error=_describe_end(pod) if ended else _describe_error(pod, gateway),
        cannot_start=_keeps_crashing(gateway) or (give_up_time is not None and give_up_time <= now),
        give_up_time=give_up_time if give_up_time is not None and give_up_time > now else None,
        spark_error=_describe_crash(pod, SPARK_CONTAINER, "Spark", spark),
    )


def _endpoint(address: str | None) -> str | None:
    if not address:
        return None
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{GATEWAY_PORT}"


def _is_running(container: Manifest) -> bool:
    return "running" in (container.get("state") or {})


def _describe_error(pod: Manifest, gateway: Manifest) -> str | None:
    if gateway.get("ready"):
        return None
    return pod_failures.describe_waiting(pod) or _describe_crash(pod, GATEWAY_CONTAINER, "its gateway", gateway)


def _keeps_crashing(container: Manifest) -> bool:
    state = (container.get("state") or {}).get("waiting") or {}
    return state.get("reason") == "CrashLoopBackOff" and container.get("restartCount", 0) >= CRASHES


def _describe_crash(pod: Manifest, name: str, subject: str, container: Manifest) -> str | None:
    """Return how a container ended that has to be restarted; None when it did not end, or is ready again."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if not ended or (container.get("ready") and "running" in state):
        return None
    if killed := pod_failures.describe_oom_kill(pod, name, ended, subject):
        return f"{killed} and is restarted"
    lines = (ended.get("message") or "").strip().splitlines()
    why = f": {lines[-1]}" if lines else ""
    return pod_failures.truncate(f"{pod_failures.describe_exit(ended, subject)} and is restarted{why}")


def _describe_end(pod: Manifest) -> str:
    return f"{pod_failures.describe_disruption(pod) or 'the pod ended'}; it is re-created"

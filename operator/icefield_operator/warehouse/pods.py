"""Pure: from a pod of a warehouse to what its plan and its status need to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds.names import GATEWAY_PORT
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures, pod_status
from icefield_operator.failure_line import failure_line

from .build import GATEWAY_CONTAINER, HASH_ANNOTATION, SPARK_CONTAINER

CRASHES = 3
"""A warehouse whose gateway crashed this often, and waits to be restarted, is in error."""

SHORTEST_LIFE = timedelta(seconds=15)
"""A pod that the cluster ended sooner than this is replaced only then: the same may happen to the next."""


@dataclass(frozen=True)
class ObservedPod:
    """What a warehouse needs to know of a pod."""

    name: str
    manifest: Manifest
    created: datetime
    spec_hash: str | None
    """The hash of its spec."""
    is_deleting: bool
    """Whether it is being deleted."""
    stuck_time: datetime | None
    """When it counts as one that cannot be ended, if it is still there then; only of one that is being deleted."""
    is_stuck: bool
    """Whether that time is over."""
    node: str
    node_is_lost: bool
    """Whether Kubernetes has lost contact with its node."""
    unschedulable_since: datetime | None
    """Since when no node has room for it; None when one has."""
    ended: bool
    """Whether the cluster ended it: evicted, its node shut down."""
    replace_time: datetime
    """From when on a pod that ended may be replaced."""
    endpoint: str | None
    """URL of the gateway, while its container runs."""
    gateway_running: bool
    """Whether the gateway's container runs, so that statements may."""
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
    """Return what a pod of a warehouse shows."""
    metadata, status = pod["metadata"], pod.get("status", {})
    gateway = pod_status.container_status(pod, GATEWAY_CONTAINER)
    spark = pod_status.container_status(pod, SPARK_CONTAINER)
    ended = pod_status.has_ended(pod)
    lost = lost_pods.is_marked_not_ready(pod)
    running = _is_running(gateway) and not ended
    stuck_time = lost_pods.loss_time(pod)
    unscheduled = pod_status.condition(pod, "PodScheduled")
    is_unschedulable = unscheduled.get("status") == "False" and unscheduled.get("reason") == "Unschedulable"
    give_up_time = pod_failures.give_up_time(pod)
    created = pod_status.time_of(metadata.get("creationTimestamp")) or now
    return ObservedPod(
        name=metadata["name"],
        manifest=pod,
        created=created,
        spec_hash=(metadata.get("annotations") or {}).get(HASH_ANNOTATION),
        is_deleting="deletionTimestamp" in metadata,
        stuck_time=stuck_time,
        is_stuck=stuck_time is not None and stuck_time <= now,
        node=lost_pods.node_of(pod),
        node_is_lost=lost,
        unschedulable_since=(pod_status.time_of(unscheduled.get("lastTransitionTime")) or created)
        if is_unschedulable
        else None,
        ended=ended,
        replace_time=created + SHORTEST_LIFE,
        endpoint=_endpoint(status.get("podIP")) if running else None,
        gateway_running=running,
        gateway_ready=bool(gateway.get("ready")) and not ended and not lost,
        spark_running=_is_running(spark) and not ended,
        error=_describe_end(pod) if ended else describe_lost_node(pod) if lost else _describe_error(pod, gateway),
        cannot_start=_keeps_crashing(gateway) or (give_up_time is not None and give_up_time <= now),
        give_up_time=give_up_time if give_up_time is not None and give_up_time > now else None,
        spark_error=_describe_crash(pod, SPARK_CONTAINER, "Spark", spark),
    )


def describe_lost_node(pod: Manifest) -> str:
    """Return why a pod neither serves nor ends when its node does not answer."""
    return f"node {lost_pods.node_of(pod)} does not respond"


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
    line = failure_line(ended.get("message") or "")
    why = f": {line}" if line else ""
    return pod_failures.truncate(f"{pod_failures.describe_exit(ended, subject)} and is restarted{why}")


def _describe_end(pod: Manifest) -> str:
    return f"{pod_failures.describe_disruption(pod) or 'the pod ended'}; it is re-created"

"""Pure: whether the node of a pod still answers for it.

A pod ends when its kubelet says so. A kubelet that is gone never does, whatever was asked of it (a deadline, a
deletion).
Nodes themselves need not be read: kubernetes/kubernetes v1.34, pkg/controller/util/node/controller_utils.go
(MarkPodsNotReady) sets Ready=False on the pods of a node that does not respond, and leaves ContainersReady as the
kubelet last reported it; pkg/controller/tainteviction deletes them after their toleration of the taint (300 s), and the
deletion stays pending until the node is back, or removed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from icefield_crds.names import END_REQUESTED_ANNOTATION
from icefield_kube.client import Manifest

from .pod_status import condition, container_statuses, has_ended, time_of

KUBELET_MARGIN = timedelta(seconds=30)
"""How much longer than a grace period a kubelet may take to report that a pod has ended."""

START_MARGIN = timedelta(seconds=5)
"""How much longer than its deadline a pod may take of which no container has started.

A kubelet that waits for a volume looks at no deadline for two minutes (podAttachAndMountTimeout in
pkg/kubelet/volumemanager), but at a deletion. Nothing is lost with such a pod: it has no log and no exit code.
"""

_DEFAULT_GRACE_SECONDS = 30
_NODE_LOST = "NodeLost"
_GATES_NOT_READY = "ReadinessGatesNotReady"


def node_of(pod: Manifest) -> str:
    """Return the name of a pod's node; empty when it has none."""
    return str(pod["spec"].get("nodeName") or "")


def grace_period(pod: Manifest) -> timedelta:
    """Return how long the processes of a pod may take to end after SIGTERM."""
    return timedelta(seconds=pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))


def deadline(pod: Manifest) -> datetime | None:
    """Return when the kubelet has to begin to end a pod; None when nobody asked for it."""
    if requested := time_of((pod["metadata"].get("annotations") or {}).get(END_REQUESTED_ANNOTATION)):
        return requested
    limit = pod["spec"].get("activeDeadlineSeconds")
    since = time_of(pod.get("status", {}).get("startTime") or condition(pod, "PodScheduled").get("lastTransitionTime"))
    return since + timedelta(seconds=limit) if limit is not None and since is not None else None


def deletion_request_time(pod: Manifest) -> datetime | None:
    """Return when the deletion of a pod was requested; None when it was not."""
    metadata = pod["metadata"]
    gone = time_of(metadata.get("deletionTimestamp"))
    return gone - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0) if gone else None


def overdue_time(pod: Manifest) -> datetime | None:
    """Return from when a pod has to be deleted that was to end by its deadline; None when it has ended, or need not."""
    late = _late_time(pod)
    if late is None or _has_begun(pod):
        return late
    due = deadline(pod)
    return min(late, due + START_MARGIN) if due is not None else None


def loss_time(pod: Manifest) -> datetime | None:
    """Return from when a pod that is being deleted counts as lost; None when it has ended, or is not deleted."""
    gone = time_of(pod["metadata"].get("deletionTimestamp"))
    return gone + KUBELET_MARGIN if gone is not None and node_of(pod) and not has_ended(pod) else None


def describe_unresponsive(pod: Manifest, now: datetime) -> str | None:
    """Return that the node of a pod does not respond; None while nothing shows it."""
    if has_ended(pod) or not node_of(pod):
        return None
    late = [time for time in (_late_time(pod), loss_time(pod)) if time is not None and time <= now]
    is_lost = pod.get("status", {}).get("reason") == _NODE_LOST
    if not (late or is_lost or is_marked_not_ready(pod)):
        return None
    return f"node {node_of(pod)} does not respond; whether the task still runs there is not known"


def describe_loss(pod: Manifest) -> str:
    """Return why the attempt of a lost pod was given up."""
    return (
        f"node {node_of(pod)} does not respond, so the attempt was given up; "
        "its process may run there until the node responds again"
    )


def _late_time(pod: Manifest) -> datetime | None:
    """Return from when a pod counts as one whose kubelet did not end it by its deadline; None when it has ended."""
    due = deadline(pod)
    if due is None or has_ended(pod) or not node_of(pod) or "deletionTimestamp" in pod["metadata"]:
        return None
    return due if is_marked_not_ready(pod) else due + grace_period(pod) + KUBELET_MARGIN


def _has_begun(pod: Manifest) -> bool:
    states = (state for status in container_statuses(pod) for state in (status.get("state"), status.get("lastState")))
    return any("running" in state or "terminated" in state for state in states if state)


def is_marked_not_ready(pod: Manifest) -> bool:
    """Return whether the control plane, not the kubelet, says that a pod is not ready."""
    ready, containers = condition(pod, "Ready"), condition(pod, "ContainersReady")
    return (
        ready.get("status", "True") != "True"
        and containers.get("status") == "True"
        and ready.get("reason") != _GATES_NOT_READY
    )

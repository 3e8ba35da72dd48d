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

from .failure_line import failure_line
from .pod_status import condition, container_statuses, time_of
from .quantity import MIB

START_TIMEOUT = timedelta(minutes=5)
"""How long a scheduled pod may fail to start its containers: a registry may recover, a Secret may be created."""

_PERMANENT = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "ImageInspectError", "RegistryUnavailable", *_PERMANENT})
_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PULL_NOISE = re.compile(r'^Back-off pulling image "[^"]*"(: (?=\S)|$)|ErrImagePull: |rpc error: code = \w+ desc = ')
_LIMIT = 1000
PREVENTING_EVENTS = frozenset(
    {
        "FailedMount",
        "FailedAttachVolume",
        "FailedMapVolume",
        "FailedCreatePodSandBox",
        "FailedPrepareDynamicResources",
        "NetworkNotReady",
        "FailedCreatePodContainer",
        "FailedSync",
    }
)
"""Reasons of events that say why a pod does not start: pkg/kubelet/events/event.go, pkg/controller/volume/events."""
DEADLINE_EXCEEDED = "DeadlineExceeded"
_TERMINATION_BY_KUBELET = "TerminationByKubelet"
_NOT_EXECUTED = frozenset({"StartError", "ContainerCannotRun"})
_ENDED_UNSEEN = frozenset({"Unknown", "ContainerStatusUnknown"})
"""containerd's reason for a container that it finds without its process, and the kubelet's for one that is gone."""
_SHELL_CODES = {126: "a command cannot be executed", 127: "a command does not exist"}
_KILLED = frozenset({128 + signal.SIGKILL, 128 + signal.SIGTERM})
"""What a process writes last has nothing to do with such an end."""
_OOM_KILLED = "OOMKilled"
_EVICTED = "Evicted"
_LOCAL_STORAGE = re.compile(r"exceed(s|ed) (the limit|the total limit|its local ephemeral storage limit)")


class _Waiting(NamedTuple):
    container: str
    reason: str
    message: str


def give_up_time(pod: Manifest, start_problem: str | None = None) -> datetime | None:
    """Return when to stop waiting for a pod's containers to start; None while nothing is wrong with them.

    Args:
        pod: the pod.
        start_problem: what its events say that keeps it from starting.
    """
    waiting = _waiting(pod)
    if pod.get("status", {}).get("phase") != "Pending" or not (waiting or start_problem):
        return None
    since = time_of(condition(pod, "PodScheduled").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if since is None:
        return None
    return since if waiting and waiting.reason in _PERMANENT else since + START_TIMEOUT


def describe_patience(pod: Manifest, start_problem: str | None = None) -> str:
    """Return how a sentence about a pod that does not start ends: with how long that may last.

    Args:
        pod: the pod.
        start_problem: as for `give_up_time`.
    """
    waiting = _waiting(pod)
    if give_up_time(pod, start_problem) is None or (waiting and waiting.reason in _PERMANENT):
        return ""
    minutes, seconds = divmod(int(START_TIMEOUT.total_seconds()), 60)
    return f"; given up after {f'{minutes} min' if minutes else f'{seconds} s'}"


def waiting_since(pod: Manifest) -> datetime | None:
    """Return since when a pod that a node has waits to be started, its status not telling why; None otherwise."""
    scheduled = condition(pod, "PodScheduled")
    if pod.get("status", {}).get("phase") != "Pending" or scheduled.get("status") != "True" or _waiting(pod):
        return None
    return time_of(scheduled.get("lastTransitionTime"))


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

    A shell, and tini, report a process that a signal killed as 128 + the signal's number; a shell ends with 126 or 127
    when a command cannot be executed or is not found (POSIX.1-2024, Shell & Utilities, 2.8.2).
    """
    code = terminated.get("exitCode", 0)
    meaning = _SHELL_CODES.get(code) or next((f"killed by {s.name}" for s in signal.Signals if code == 128 + s), "")
    return f"{subject} {'failed' if code else 'ended'} with exit code {code}" + (f" ({meaning})" if meaning else "")


def describe_failed_program(terminated: Manifest, subject: str) -> str:
    """Return the message of a container that ended by itself, with the line of its output that says why.

    Args:
        terminated: its `state.terminated`, with the end of its log as the message.
        subject: what the owner knows the program as, such as `the command`.
    """
    exit_ = describe_exit(terminated, subject)
    line = None if terminated.get("exitCode") in _KILLED else failure_line(terminated.get("message") or "")
    return truncate(f"{exit_}: {line}" if line else exit_)


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


def was_disrupted(pod: Manifest, finish_time: datetime | None) -> bool:
    """Return whether the cluster, and not the pod itself, brought about its end.

    Every reason that the kubelet gives to a failed pod is one (it refused the pod, evicted it, shut down), except the
    deadline and what exceeded its own limits.

    Args:
        pod: the pod, failed.
        finish_time: when its container ended; None when that is not known.
    """
    status = pod.get("status", {})
    if status.get("reason") == DEADLINE_EXCEEDED or exceeded_local_storage(pod):
        return False
    if status.get("reason"):
        return True
    found = disruption(pod)
    since = time_of(found.get("lastTransitionTime"))
    # The kubelet adds its own condition after the containers have ended; all others are added before.
    is_later = finish_time is not None and since is not None and finish_time < since
    return bool(found) and (found.get("reason") == _TERMINATION_BY_KUBELET or not is_later)


def describe_start_failure(terminated: Manifest) -> str | None:
    """Return why the process of a container could not be executed; None when it was, or was not tried."""
    if terminated.get("reason") not in _NOT_EXECUTED:
        return None
    return truncate(f"the container cannot be started: {terminated.get('message') or terminated['reason']}")


def lost_container(terminated: Manifest) -> bool:
    """Return whether a container ended unseen: its node restarted, or its runtime lost it."""
    return terminated.get("reason") in _ENDED_UNSEEN


def disruption(pod: Manifest) -> dict[str, Any]:
    """Return the condition DisruptionTarget when it is true; empty otherwise."""
    found = condition(pod, "DisruptionTarget")
    return found if found.get("status") == "True" else {}


def exceeded_local_storage(pod: Manifest) -> bool:
    """Return whether the kubelet evicted a pod that exceeded the limits of its volumes or its local storage.

    An eviction from a node that is low on storage is none: the pod may have written little.
    """
    status = pod.get("status", {})
    is_own = status.get("reason") == _EVICTED and not disruption(pod)
    return is_own and bool(_LOCAL_STORAGE.search(status.get("message") or ""))


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

"""The attempt that a pod runs, and the state of its container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from icefield_crds import labels, object_store
from icefield_operator import pod_status

TASK_CONTAINER = "task"
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})


class ContainerState(Enum):
    """What a container's log offers to read."""

    NOT_STARTED = auto()
    """Nothing yet."""
    STARTED = auto()
    """A log that still grows."""
    ENDED = auto()
    """A log that is complete."""
    NEVER_STARTED = auto()
    """Nothing, for good."""


@dataclass(frozen=True)
class Attempt:
    """One attempt (counted from 0) of a run's task, and its pod."""

    namespace: str
    pod: str
    workspace: str
    run: str
    run_uid: str
    task: str
    attempt: int
    workspace_uid: str | None = None
    """metadata.uid of the Workspace; None where its pod does not tell, or is gone."""

    @property
    def prefix(self) -> str:
        """Where its log is archived."""
        return object_store.attempt_log_prefix(self.workspace, self.run_uid, self.task, self.attempt)

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> Attempt | None:
        """Return the attempt that a pod is, or None when it is no task pod of a Run."""
        metadata = pod["metadata"]
        marks = metadata.get("labels") or {}
        owner = next((o for o in metadata.get("ownerReferences") or [] if o["kind"] == "Run"), None)
        if owner is None or not {labels.WORKSPACE, labels.TASK, labels.ATTEMPT} <= marks.keys():
            return None
        return cls(
            namespace=metadata["namespace"],
            pod=metadata["name"],
            workspace=marks[labels.WORKSPACE],
            run=owner["name"],
            run_uid=owner["uid"],
            task=marks[labels.TASK],
            attempt=int(marks[labels.ATTEMPT]),
            workspace_uid=marks.get(labels.WORKSPACE_UID),
        )


class Lifetime(NamedTuple):
    """When a container started and ended, as far as that is known."""

    started_at: datetime | None = None
    ended_at: datetime | None = None


UNKNOWN_LIFETIME = Lifetime()


def lifetime_of(pod: Mapping[str, Any]) -> Lifetime:
    """Return when the task's container started and ended; not known of a sandbox, which waits for its task, silent."""
    if labels.SANDBOX in (pod["metadata"].get("labels") or {}):
        return UNKNOWN_LIFETIME
    state = pod_status.container_state(pod, TASK_CONTAINER)
    return Lifetime(pod_status.started_at(state), pod_status.time_of((state.get("terminated") or {}).get("finishedAt")))


def node_of(pod: Mapping[str, Any]) -> str | None:
    """Return the node that a pod was assigned to."""
    node: str | None = (pod.get("spec") or {}).get("nodeName")
    return node


def container_state(pod: Mapping[str, Any]) -> ContainerState:
    """Return the state of the task's container."""
    status = pod.get("status") or {}
    over = status.get("phase") in ("Succeeded", "Failed")
    state = pod_status.container_state(pod, TASK_CONTAINER)
    # A container that never ran is also reported as terminated: without an id once its pod was given up, or because its
    # command could not be executed.
    ended = state.get("terminated") or {}
    if ended.get("containerID") and ended.get("reason") not in _NEVER_RAN:
        return ContainerState.ENDED
    if "running" in state:
        return ContainerState.ENDED if over else ContainerState.STARTED
    return ContainerState.NEVER_STARTED if over or "terminated" in state else ContainerState.NOT_STARTED

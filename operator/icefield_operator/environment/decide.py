"""Pure: what to do for an environment, by whether it is stored and how its builder stands."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from icefield_kube.client import Manifest
from icefield_operator import pod_failures, pod_status

from .build import BUILD_CONTAINER, BUILD_SECONDS, STORE_CONTAINER

BUILDING = "building its environment"


class Step(StrEnum):
    """What to do."""

    USE = "use"
    BUILD = "build"
    WAIT = "wait"
    DISCARD = "discard"
    """Delete the builder, then build."""
    FAIL = "fail"


class Decision(NamedTuple):
    """What to do, and what whoever waits for it is told."""

    step: Step
    message: str = ""


def decide(*, is_stored: bool, builder: Manifest | None, requested_at: datetime | None) -> Decision:
    """Return what to do.

    Args:
        is_stored: whether the environment is in the object store.
        builder: the pod that builds it; None when there is none.
        requested_at: since when it is wanted: what failed before is tried again.
    """
    if is_stored:
        return Decision(Step.USE)
    if builder is None:
        return Decision(Step.BUILD, BUILDING)
    if "deletionTimestamp" in builder["metadata"]:
        return Decision(Step.WAIT, BUILDING)
    if not pod_status.has_ended(builder):
        waits = pod_failures.describe_waiting(builder)
        return Decision(Step.WAIT, f"{BUILDING}: {waits}" if waits else BUILDING)
    if pod_status.phase_of(builder) == "Succeeded" or _was_ended_by_the_cluster(builder):
        return Decision(Step.DISCARD, BUILDING)
    ended = _ended_at(builder)
    if ended is not None and requested_at is not None and ended < requested_at:
        return Decision(Step.DISCARD, BUILDING)
    return Decision(Step.FAIL, f"its environment cannot be built: {_why(builder)}")


def _was_ended_by_the_cluster(pod: Manifest) -> bool:
    return pod_failures.was_disrupted(pod, _ended_at(pod))


def _ended_at(pod: Manifest) -> datetime | None:
    ends = (pod_status.time_of((each.get("terminated") or {}).get("finishedAt")) for each in _states(pod))
    return max((end for end in ends if end), default=None)


def _why(pod: Manifest) -> str:
    if pod.get("status", {}).get("reason") == pod_failures.DEADLINE_EXCEEDED:
        return f"it took longer than {BUILD_SECONDS} s"
    failed = [state["terminated"] for state in _states(pod) if (state.get("terminated") or {}).get("exitCode")]
    for terminated in failed:
        if not_started := pod_failures.describe_start_failure(terminated):
            return not_started
        if terminated.get("reason") == "OOMKilled":
            return "it ran out of memory"
        return pod_failures.truncate(
            str(terminated.get("message") or pod_failures.describe_exit(terminated, "it")).strip()
        )
    return pod_failures.truncate(str(pod.get("status", {}).get("message") or "its pod failed"))


def _states(pod: Manifest) -> list[Manifest]:
    return [pod_status.container_state(pod, name) for name in ("tools", BUILD_CONTAINER, STORE_CONTAINER)]

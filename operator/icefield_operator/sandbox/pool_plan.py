"""Pure: the desired size of a workspace's pool of warm sandboxes, and what to create and delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from icefield_crds import Workspace
from icefield_kube.client import Manifest
from icefield_operator import pod_failures, pod_status

from .build import TEMPLATE_ANNOTATION

FIRST_BACKOFF = timedelta(seconds=5)
LAST_BACKOFF = timedelta(minutes=5)


class SandboxState(Enum):
    """The state of a warm sandbox; surplus ones are deleted in this order."""

    FAILED = auto()
    """It ended by itself, or will never start."""
    OUTDATED = auto()
    """Its template has changed since."""
    STARTING = auto()
    READY = auto()
    """It can be claimed by a run."""
    DELETING = auto()


@dataclass(frozen=True)
class Plan:
    """What to create and delete now."""

    create: int
    delete: list[Manifest]
    failed: bool
    """Whether some of them failed."""
    next_pass: datetime | None
    """When the next pass is due though nothing changes."""


def wanted(workspace: Workspace, last_use: datetime | None, now: datetime) -> tuple[int, datetime | None]:
    """Return how many warm sandboxes there should be, and until when if none is used.

    Args:
        workspace: whose.
        last_use: when its newest Polars workload was created or ended.
        now: the present.
    """
    pool = workspace.spec.sandboxes.warm_pool
    if last_use is None or workspace.metadata.deletion_timestamp or pool.size == 0:
        return 0, None
    until = last_use + timedelta(minutes=pool.idle_minutes)
    return (pool.size, until) if now < until else (0, None)


def decide(pods: Sequence[Manifest], size: int, template: str, now: datetime, hold: datetime | None) -> Plan:
    """Return what to create and delete in a pool.

    Args:
        pods: the warm sandboxes that exist.
        size: how many there should be.
        template: hash of the current template.
        now: the present.
        hold: until when none is created because others failed.
    """
    by_state: dict[SandboxState, list[Manifest]] = {state: [] for state in SandboxState}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
        by_state[state_of(pod, template, now)].append(pod)
    failed = by_state[SandboxState.FAILED]
    # The newest of those that are only starting go first.
    good = [*by_state[SandboxState.READY], *by_state[SandboxState.STARTING]]
    missing = max(size - len(good), 0)
    held = hold is not None and hold > now
    times = [pod_failures.give_up_time(pod) for pod in by_state[SandboxState.STARTING]]
    return Plan(
        create=0 if held else missing,
        delete=[*failed, *by_state[SandboxState.OUTDATED], *good[size:]],
        failed=bool(failed),
        next_pass=min((time for time in [*times, hold if held and missing else None] if time), default=None),
    )


def state_of(pod: Manifest, template: str, now: datetime) -> SandboxState:
    """Return the state of a warm sandbox."""
    if "deletionTimestamp" in pod["metadata"]:
        return SandboxState.DELETING
    give_up = pod_failures.give_up_time(pod)
    if pod_status.has_ended(pod) or (give_up is not None and give_up <= now):
        return SandboxState.FAILED
    if (pod["metadata"].get("annotations") or {}).get(TEMPLATE_ANNOTATION) != template:
        return SandboxState.OUTDATED
    is_ready = pod_status.condition(pod, "Ready").get("status") == "True" and pod["status"].get("podIP")
    return SandboxState.READY if is_ready else SandboxState.STARTING


def backoff(failures: int) -> timedelta:
    """Return how long to create no sandbox after this many passes (at least 1) that found failed ones."""
    return min(FIRST_BACKOFF * (1 << min(failures - 1, 10)), LAST_BACKOFF)

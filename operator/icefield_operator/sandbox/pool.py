"""Pure: what the pool of a workspace's warm sandboxes should be, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from icefield_crds import Workspace
from icefield_operator import waiting
from icefield_operator.world import Manifest

from .build import TEMPLATE_ANNOTATION

FIRST_BACKOFF = timedelta(seconds=5)
LAST_BACKOFF = timedelta(minutes=5)


class Standing(Enum):
    """How a warm sandbox stands; surplus ones go in this order."""

    BROKEN = auto()
    """It ended by itself, or will never start."""
    OUTDATED = auto()
    """It would be made otherwise now."""
    STARTING = auto()
    READY = auto()
    """A run may have it."""
    LEAVING = auto()


@dataclass(frozen=True)
class Plan:
    """What is to be done now."""

    make: int
    delete: list[Manifest]
    broken: bool
    """Whether sandboxes are among them that broke."""
    next_look: datetime | None
    """When to look again though nothing changes."""


def wanted(workspace: Workspace, last_use: datetime | None, now: datetime) -> tuple[int, datetime | None]:
    """Return how many sandboxes shall stand ready, and until when if nobody needs one.

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
    """Return what is to be done about a pool.

    Args:
        pods: the warm sandboxes that there are.
        size: how many shall stand ready.
        template: hash of what sandboxes are made of now.
        now: the present.
        hold: until when none is made because others broke.
    """
    by_standing: dict[Standing, list[Manifest]] = {standing: [] for standing in Standing}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
        by_standing[standing_of(pod, template, now)].append(pod)
    broken = by_standing[Standing.BROKEN]
    # The newest of those that are only starting go first.
    good = [*by_standing[Standing.READY], *by_standing[Standing.STARTING]]
    missing = max(size - len(good), 0)
    held = hold is not None and hold > now
    looks = [waiting.give_up_time(pod) for pod in by_standing[Standing.STARTING]]
    return Plan(
        make=0 if held else missing,
        delete=[*broken, *by_standing[Standing.OUTDATED], *good[size:]],
        broken=bool(broken),
        next_look=min((look for look in [*looks, hold if held and missing else None] if look), default=None),
    )


def standing_of(pod: Manifest, template: str, now: datetime) -> Standing:
    """Return how a warm sandbox stands."""
    if "deletionTimestamp" in pod["metadata"]:
        return Standing.LEAVING
    give_up = waiting.give_up_time(pod)
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or (give_up is not None and give_up <= now):
        return Standing.BROKEN
    if (pod["metadata"].get("annotations") or {}).get(TEMPLATE_ANNOTATION) != template:
        return Standing.OUTDATED
    is_ready = waiting.condition(pod, "Ready").get("status") == "True" and pod["status"].get("podIP")
    return Standing.READY if is_ready else Standing.STARTING


def backoff(failures: int) -> timedelta:
    """Return how long to make no sandbox after this many passes (at least 1) that found broken ones."""
    return min(FIRST_BACKOFF * (1 << min(failures - 1, 10)), LAST_BACKOFF)

"""Pure: the desired size of a workspace's pool of warm sandboxes, what to create and delete, and which to claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from icefield_crds import Task, Workspace
from icefield_crds.execution import DEFAULT_DISRUPTION_RETRIES
from icefield_crds.names import TASK_CONTAINER
from icefield_kube.client import Manifest
from icefield_operator import pod_failures, pod_status

from .build import TEMPLATE_ANNOTATION

FIRST_BACKOFF = timedelta(seconds=5)
LAST_BACKOFF = timedelta(minutes=5)
START_PATIENCE = timedelta(seconds=15)
"""How long a sandbox may take to have its container started by its node, and the program in it to be ready: several
times what it takes on a busy node. A workload waits no longer for one that a pool started."""


class SandboxState(Enum):
    """The state of a warm sandbox; surplus ones are deleted in this order."""

    FAILED = auto()
    """It ended by itself, or will never start."""
    OUTDATED = auto()
    """Its template has changed since."""
    DELAYED = auto()
    """It waits for a node, or takes longer than sandboxes do to start, or was ready once: nobody should wait for it."""
    STARTING = auto()
    """A run can claim it: it is nearer to being ready than a new one."""
    READY = auto()
    """A run can claim it, and its workload starts at once."""
    DELETING = auto()


class Demand(NamedTuple):
    """What a workload can be given of a pool."""

    template: str
    """Hash of the current template."""
    states: tuple[SandboxState, ...]
    """The best one first."""


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
    for pod in sorted(pods, key=_created):
        by_state[state_of(pod, template, now)].append(pod)
    failed = by_state[SandboxState.FAILED]
    # The newest of those that are only starting go first.
    unready = [*by_state[SandboxState.STARTING], *by_state[SandboxState.DELAYED]]
    good = [*by_state[SandboxState.READY], *unready]
    missing = max(size - len(good), 0)
    held = hold is not None and hold > now
    times = [pod_failures.give_up_time(pod) for pod in unready]
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
    if is_ready:
        return SandboxState.READY
    due = expected_start(pod)
    is_delayed = due is None or due <= now or give_up is not None
    return SandboxState.DELAYED if is_delayed else SandboxState.STARTING


def claimable_states(task: Task, attempt: int, *, may_be_dispatched: bool) -> tuple[SandboxState, ...]:
    """Return the states of the sandboxes that an attempt can be given, the best one first.

    One that starts may have to be given up for another one, which is a disruption. So it is none for a run that may not
    be disrupted, or was already, and none where it would not be known whether it has the workload.

    Args:
        task: the workload's.
        attempt: number of the attempt, from 0.
        may_be_dispatched: whether the workload may have been sent to a sandbox.
    """
    limit = task.max_disruption_retries
    may_be_disrupted = (DEFAULT_DISRUPTION_RETRIES if limit is None else limit) > 0
    if attempt > 0 or may_be_dispatched or not may_be_disrupted:
        return (SandboxState.READY,)
    return (SandboxState.READY, SandboxState.STARTING)


def suits(pod: Manifest, wanted: Demand, now: datetime) -> bool:
    """Return whether a workload can be given this sandbox."""
    return state_of(pod, wanted.template, now) in wanted.states


def candidates(pods: Sequence[Manifest], wanted: Demand, now: datetime) -> list[Manifest]:
    """Return the sandboxes that a workload can be given, the best one first; of equals the oldest."""
    oldest_first = [(state_of(pod, wanted.template, now), pod) for pod in sorted(pods, key=_created)]
    return [pod for state in wanted.states for found, pod in oldest_first if found is state]


def is_of_pool(pod: Manifest) -> bool:
    """Return whether a pool made a sandbox, whoever has it now."""
    return TEMPLATE_ANNOTATION in (pod["metadata"].get("annotations") or {})


def has_started(pod: Manifest) -> bool:
    """Return whether the program of a sandbox was started."""
    return pod_status.started_at(pod_status.container_state(pod, TASK_CONTAINER)) is not None


def expected_start(pod: Manifest) -> datetime | None:
    """Return by when the node of a sandbox should have started its container, or, once it has, the program be ready.

    None while it has no node.
    """
    scheduled = pod_status.condition(pod, "PodScheduled")
    has_node = scheduled.get("status") == "True"
    since = pod_status.started_at(pod_status.container_state(pod, TASK_CONTAINER)) or (
        pod_status.time_of(scheduled.get("lastTransitionTime")) if has_node else None
    )
    return since + START_PATIENCE if since is not None else None


def give_up_time(pod: Manifest) -> datetime | None:
    """Return when a workload gives up a sandbox that it claimed while it started; None where it keeps it."""
    return expected_start(pod) if is_of_pool(pod) and not has_started(pod) else None


def backoff(failures: int) -> timedelta:
    """Return how long to create no sandbox after this many passes (at least 1) that found failed ones."""
    return min(FIRST_BACKOFF * (1 << min(failures - 1, 10)), LAST_BACKOFF)


def _created(pod: Manifest) -> str:
    return str(pod["metadata"].get("creationTimestamp"))

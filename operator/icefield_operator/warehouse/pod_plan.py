"""Pure: which pod of a warehouse takes new statements, which ones drain, and which are created and deleted.

A pod of an outdated spec serves until one of the present spec is ready beside it. From then on it takes no new
statement and lives until its last one has ended, for as long as the warehouse may be idle at most. Where there is no
room for two pods, it drains first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds import Warehouse
from icefield_crds.wire.gateway import GatewayStatus

from .desired_state import auto_stop
from .pods import ObservedPod

DRAIN_WITHOUT_AUTO_STOP = timedelta(hours=12)
"""How long a pod may drain where autoStop is `never`: as long as a statement may take (the API server's default)."""

LEAST_DRAIN = timedelta(seconds=30)
"""How long it may drain however short autoStop is."""

LINGER = timedelta(seconds=30)
"""How long a drained pod still answers how its statements ended: for a server that adopts one of a server that died."""

ROOM_PATIENCE = timedelta(seconds=60)
"""How long a new pod may wait for a node before its predecessor drains to make room: a node may be added meanwhile."""


@dataclass(frozen=True)
class Draining:
    """A pod that takes no new statement, and since when."""

    pod: ObservedPod
    start_time: datetime
    running: int | None
    """How many statements it runs; None when it was not asked yet, or did not answer."""


@dataclass(frozen=True)
class PodPlan:
    """What to do with the pods of a warehouse that should run."""

    serving: ObservedPod | None
    """The pod that takes new statements, or will when it is ready."""
    successor: ObservedPod | None
    """The pod that replaces it as soon as it is ready."""
    draining: tuple[Draining, ...]
    deleting: tuple[Draining, ...]
    """Pods that are being deleted already: their statements have their grace period."""
    delete: tuple[ObservedPod, ...]
    """Pods to delete now."""
    create: bool
    """Whether to create a pod of the present spec."""


def drain_limit(warehouse: Warehouse) -> timedelta:
    """Return for how long a pod of the warehouse may drain."""
    limit = auto_stop(warehouse.spec.auto_stop)
    return DRAIN_WITHOUT_AUTO_STOP if limit is None else max(limit, LEAST_DRAIN)


def make_plan(
    warehouse: Warehouse,
    found: Sequence[ObservedPod],
    spec_hash: str | None,
    answers: Mapping[str, GatewayStatus | None],
    now: datetime,
    *,
    has_room: bool = True,
) -> PodPlan:
    """Return what to do with the pods of a warehouse that should run.

    Args:
        warehouse: the Warehouse, with its last written status: a pod that drains never serves again.
        found: its pods.
        spec_hash: of the pod that it should have; None when that is unknown, and nothing is replaced.
        answers: what gateways report, by the name of their pod; None of those that do not answer.
        now: the present.
        has_room: whether the namespace may have a pod more.
    """
    since = _drains_since(warehouse)
    living = [pod for pod in found if not pod.is_deleting and not pod.ended]
    usable = [pod for pod in living if pod.name not in since and not pod.node_is_lost]
    wanted = _best([pod for pod in usable if spec_hash in (None, pod.spec_hash)])
    serving = wanted
    if wanted is None or not wanted.gateway_ready:
        before = _best([pod for pod in usable if pod is not wanted and pod.gateway_running])
        makes_room = before is not None and (not has_room or _lacks_room(wanted, now))
        serving = wanted if makes_room or before is None else before
    successor = wanted if wanted is not serving else None
    limit = drain_limit(warehouse)
    leaving = [pod for pod in living if pod is not serving and pod is not successor]
    draining = [_draining(pod, since.get(pod.name, now), answers.get(pod.name)) for pod in leaving]
    ended = [pod for pod in found if pod.ended and not pod.is_deleting]
    too_soon = [pod for pod in ended if pod.replace_time > now]
    return PodPlan(
        serving=serving or _best(too_soon),
        successor=successor,
        draining=tuple(each for each in draining if not _has_drained(each, answers, limit, now)),
        deleting=as_draining(warehouse, [pod for pod in found if pod.is_deleting], now),
        delete=(
            *(each.pod for each in draining if _has_drained(each, answers, limit, now)),
            *(pod for pod in ended if pod.replace_time <= now),
        ),
        create=wanted is None and spec_hash is not None and not too_soon,
    )


def as_draining(warehouse: Warehouse, found: Sequence[ObservedPod], now: datetime) -> tuple[Draining, ...]:
    """Return pods of the warehouse as what they are, once they take no new statement."""
    since = _drains_since(warehouse)
    return tuple(Draining(pod, since.get(pod.name, now), None) for pod in found)


def _drains_since(warehouse: Warehouse) -> dict[str, datetime]:
    return {each.pod_name: each.start_time for each in warehouse.status.draining_pods} if warehouse.status else {}


def _best(pods: Sequence[ObservedPod]) -> ObservedPod | None:
    """Return the pod that serves best: one that is ready, the newest of several."""
    return max(pods, key=lambda pod: (pod.gateway_ready, pod.created, pod.name), default=None)


def _lacks_room(pod: ObservedPod | None, now: datetime) -> bool:
    since = pod.unschedulable_since if pod else None
    return since is not None and since + ROOM_PATIENCE <= now


def _draining(pod: ObservedPod, start_time: datetime, answer: GatewayStatus | None) -> Draining:
    return Draining(pod, start_time, answer.running if answer else None)


def _has_drained(each: Draining, answers: Mapping[str, GatewayStatus | None], limit: timedelta, now: datetime) -> bool:
    answer = answers.get(each.pod.name)
    if not each.pod.gateway_running or each.start_time + limit <= now:
        return True
    if answer is None:
        return each.pod.node_is_lost
    # Counted from its start too: a gateway of an older version knows no draining, and is not asked to.
    return answer.running == 0 and max(answer.last_activity, each.start_time) + LINGER <= now

"""Pure: what a warehouse's pod says of itself, in words for the warehouse's owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds.names import GATEWAY_PORT
from icefield_operator import waiting
from icefield_operator.world import Manifest

from .build import GATEWAY_CONTAINER, HASH_ANNOTATION, SPARK_CONTAINER

CRASHES = 3
"""A gateway that ended so often, and waits to be started again, is a warehouse in error."""

SHORTEST_LIFE = timedelta(seconds=15)
"""A pod that the cluster ended sooner than this is not replaced before: the same may happen to the next."""


@dataclass(frozen=True)
class Seen:
    """A warehouse's pod, as far as the warehouse is concerned."""

    name: str
    made_of: str | None
    """The hash of what it was made of."""
    leaving: bool
    """Whether it is being deleted."""
    ended: bool
    """Whether the cluster ended it: evicted, its node shut down."""
    replace_time: datetime
    """From when on a pod that ended may be replaced."""
    endpoint: str | None
    """URL of the gateway, while it can be reached: also while it drains."""
    gateway_ready: bool
    spark_running: bool
    trouble: str | None
    """What keeps the gateway from being ready."""
    hopeless: bool
    """Whether that will hardly pass by itself."""
    give_up_time: datetime | None
    """When it will be hopeless, if nothing happens until then."""
    spark_trouble: str | None
    """What keeps Spark from running."""


def observe(pod: Manifest, now: datetime) -> Seen:
    """Return what a pod shows."""
    metadata, status = pod["metadata"], pod.get("status", {})
    gateway = waiting.container_status(pod, GATEWAY_CONTAINER)
    spark = waiting.container_status(pod, SPARK_CONTAINER)
    ended = status.get("phase") in ("Failed", "Succeeded")
    ready, leaving = bool(gateway.get("ready")), "deletionTimestamp" in metadata
    give_up_time = waiting.give_up_time(pod)
    created = waiting.time_of(metadata.get("creationTimestamp")) or now
    return Seen(
        name=metadata["name"],
        made_of=(metadata.get("annotations") or {}).get(HASH_ANNOTATION),
        leaving=leaving,
        ended=ended,
        replace_time=created + SHORTEST_LIFE,
        endpoint=_endpoint(status.get("podIP")) if _runs(gateway) and not ended and (ready or leaving) else None,
        gateway_ready=ready and not ended,
        spark_running=_runs(spark) and not ended,
        trouble=_ending(status) if ended else _trouble(pod, gateway),
        hopeless=_keeps_crashing(gateway) or (give_up_time is not None and give_up_time <= now),
        give_up_time=give_up_time if give_up_time is not None and give_up_time > now else None,
        spark_trouble=_crash(pod, SPARK_CONTAINER, "Spark", spark),
    )


def _endpoint(address: str | None) -> str | None:
    if not address:
        return None
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{GATEWAY_PORT}"


def _runs(container: Manifest) -> bool:
    return "running" in (container.get("state") or {})


def _trouble(pod: Manifest, gateway: Manifest) -> str | None:
    if gateway.get("ready"):
        return None
    return waiting.message(pod) or _crash(pod, GATEWAY_CONTAINER, "its gateway", gateway)


def _keeps_crashing(container: Manifest) -> bool:
    state = (container.get("state") or {}).get("waiting") or {}
    return state.get("reason") == "CrashLoopBackOff" and container.get("restartCount", 0) >= CRASHES


def _crash(pod: Manifest, name: str, subject: str, container: Manifest) -> str | None:
    """Return how a container ended that has to start again; None when it did not end, or is ready again."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if not ended or (container.get("ready") and "running" in state):
        return None
    if ended.get("reason") == "OOMKilled":
        return f"{subject} ran out of memory (limit {_limit(pod, name)}) and is started again"
    lines = (ended.get("message") or "").strip().splitlines()
    why = f": {lines[-1]}" if lines else ""
    return waiting.cut(f"{subject} ended with exit code {ended.get('exitCode')} and is started again{why}")


def _limit(pod: Manifest, name: str) -> str:
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    limits = (c.get("resources", {}).get("limits", {}).get("memory", "?") for c in containers if c["name"] == name)
    limit = next(limits, "?")
    return f"{int(limit) // 2**20}Mi" if limit.isdigit() else limit


def _ending(status: Manifest) -> str:
    why = f"{status.get('reason') or 'no reason given'}: {status.get('message') or ''}".rstrip(": ")
    return waiting.cut(f"its pod was ended by the cluster ({why}) and is made again")

"""Looks after the executors of Spark applications: says what they wait for, and deletes those that their driver left.

A driver makes and ends its own. But one that was killed cannot, and its pod, which owns them, stays for its log;
and why an executor does not start, only its pod says, which no watch of ours brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from icefield_crds import labels
from icefield_crds.names import workspace_of
from icefield_operator import waiting
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest

from .driver_rights import DriverRights, has_executors

KEY_KIND = "SparkApplication"
PATIENCE = timedelta(seconds=20)
"""How long an executor may wait before that is worth telling."""
LOOK_OFTEN = timedelta(seconds=10)
"""When to look again while an executor waits."""
LOOK_SELDOM = timedelta(seconds=60)
"""When to look again while all is well."""
_ENDED = ("Succeeded", "Failed")


class Executors:
    """The executors of all Spark applications."""

    def __init__(self, cluster: Cluster, controllers: Controllers, rights: DriverRights) -> None:
        """Plug into the controllers."""
        self._cluster = cluster
        self._controllers = controllers
        self._world = controllers.world
        self._rights = rights
        self._waits: dict[Key, str] = {}
        """What the executors of a run wait for."""
        controllers.register(KEY_KIND, self.reconcile, names_of=Kind.RUN)
        controllers.relate(Kind.RUN, _if_it_has_executors)

    def wait_of(self, namespace: str, name: str) -> str | None:
        """Return what the executors of a run wait for, if they do."""
        return self._waits.get(Key(KEY_KIND, namespace, name))

    def look_again(self, namespace: str, name: str) -> None:
        """Have the executors of a run looked at."""
        self._controllers.enqueue(Key(KEY_KIND, namespace, name))

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over the executors of a run; return when the next is due though nothing changes."""
        run = self._world.run(key.namespace, key.name)
        if run is not None and not has_executors(run):
            return None
        await self._rights.settle(key.namespace)
        drivers = self._world.pods_of(run.metadata.uid) if run else []
        if run is None or not drivers:
            # Nothing has been made yet, or the cluster's own collector has what was.
            self._waits.pop(key, None)
            return None
        mine = labels.of_application_executor(workspace_of(key.namespace) or "", key.name)
        found, _ = await self._cluster.list(Kind.POD, key.namespace, selector_of(mine))
        await together(*(self._delete(pod) for pod in found if is_left(pod, drivers)))
        if all(map(_has_ended, drivers)):
            self._waits.pop(key, None)
            return None
        self._note(key, wait_of(found, datetime.now(UTC)))
        wanted = run.spec.spark.executors if run.spec.spark else 0
        is_well = sum(phase_of(pod) == "Running" for pod in found) >= wanted
        return LOOK_SELDOM if is_well else LOOK_OFTEN

    def _note(self, key: Key, waits: str | None) -> None:
        """Note what executors wait for, and have the run say so."""
        before = self._waits.pop(key, None)
        if waits:
            self._waits[key] = waits
        if waits == before:
            return
        self._controllers.enqueue(Key(Kind.RUN, key.namespace, key.name))

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        await self._cluster.delete(Kind.POD, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def wait_of(executors: Sequence[Manifest], now: datetime) -> str | None:
    """Return what keeps executors from starting for longer than is usual; None when nothing does."""
    waiting_ones = [
        pod for pod in executors if phase_of(pod) == "Pending" and waiting.message(pod) and _age(pod, now) >= PATIENCE
    ]
    if not waiting_ones:
        return None
    return f"{len(waiting_ones)} of {len(executors)} executors: {waiting.message(waiting_ones[0])}"


def is_left(executor: Manifest, drivers: Sequence[Manifest]) -> bool:
    """Say whether an executor is there whose driver has ended."""
    owners = {reference["uid"] for reference in executor["metadata"].get("ownerReferences") or []}
    own = [driver for driver in drivers if driver["metadata"]["uid"] in owners]
    return "deletionTimestamp" not in executor["metadata"] and bool(own) and all(map(_has_ended, own))


def selector_of(wanted: dict[str, str]) -> str:
    """Return the selector of what has all of these labels."""
    return ",".join(f"{name}={value}" for name, value in wanted.items())


def phase_of(pod: Manifest) -> str:
    """Return a pod's phase."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def _has_ended(pod: Manifest) -> bool:
    return phase_of(pod) in _ENDED


def _age(pod: Manifest, now: datetime) -> timedelta:
    created = waiting.time_of(pod["metadata"].get("creationTimestamp"))
    return now - created if created else timedelta(0)


def _if_it_has_executors(run: Manifest) -> Iterator[Key]:
    if ((run.get("spec") or {}).get("spark") or {}).get("executors"):
        yield Key(KEY_KIND, run["metadata"]["namespace"], run["metadata"]["name"])

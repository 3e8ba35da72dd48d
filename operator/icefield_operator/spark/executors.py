"""Reconciles the executors of Spark applications: reports what they wait for, and deletes those whose driver has ended.

A driver creates and ends its own. But one that was killed cannot, and its pod, which owns them, is kept for its log;
and why an executor does not start, only its pod shows, which no watch of ours covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from icefield_crds import labels
from icefield_crds.names import workspace_of
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures, pod_status
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import Kind
from icefield_operator.controllers import Controllers
from icefield_operator.pod_status import has_ended, phase_of
from icefield_operator.queue import Key

from .driver_rbac import DriverRbac, has_executors

KEY_KIND = "SparkApplication"
REPORT_AFTER = timedelta(seconds=20)
"""How long an executor may wait before that is reported."""
POLL_WAITING = timedelta(seconds=10)
"""When the next pass is due while an executor waits."""
POLL_RUNNING = timedelta(seconds=60)
"""When the next pass is due while all executors run."""


class ExecutorReconciler:
    """The executors of all Spark applications."""

    def __init__(self, cluster: Cluster, controllers: Controllers, rbac: DriverRbac) -> None:
        """Initialize."""
        self._cluster = cluster
        self._controllers = controllers
        self._cache = controllers.cache
        self._rbac = rbac
        self._waits: dict[Key, str] = {}
        """What the executors of a run wait for, by key."""

    def waiting_message(self, namespace: str, name: str) -> str | None:
        """Return what the executors of a run wait for, if they do."""
        return self._waits.get(Key(KEY_KIND, namespace, name))

    def enqueue(self, namespace: str, name: str) -> None:
        """Enqueue a pass over the executors of a run."""
        self._controllers.enqueue(Key(KEY_KIND, namespace, name))

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over the executors of a run; return when the next is due though nothing changes."""
        run = self._cache.run(key.namespace, key.name)
        if run is not None and not has_executors(run):
            return None
        await self._rbac.sync(key.namespace)
        drivers = self._cache.pods_of(run.metadata.uid) if run else []
        if run is None or not drivers:
            # Nothing was created yet, or the garbage collector deletes what was.
            self._waits.pop(key, None)
            return None
        mine = labels.of_application_executor(workspace_of(key.namespace) or "", key.name)
        found, _ = await self._cluster.list(Kind.POD, key.namespace, selector_of(mine))
        now = datetime.now(UTC)
        await together(*(self._cluster.delete_object(pod) for pod in found if is_orphaned(pod, drivers, now)))
        if all(_is_over(driver, now) for driver in drivers):
            self._waits.pop(key, None)
            return None
        self._record(key, describe_waiting(found, now))
        wanted = run.spec.spark.executors if run.spec.spark else 0
        all_running = sum(phase_of(pod) == "Running" for pod in found) >= wanted
        return POLL_RUNNING if all_running else POLL_WAITING

    def _record(self, key: Key, waits: str | None) -> None:
        """Record what executors wait for, and enqueue the run, whose status reports it."""
        before = self._waits.pop(key, None)
        if waits:
            self._waits[key] = waits
        if waits == before:
            return
        self._controllers.enqueue(Key(Kind.RUN, key.namespace, key.name))


def describe_waiting(executors: Sequence[Manifest], now: datetime) -> str | None:
    """Return what keeps executors from starting for longer than usual; None when nothing does."""
    pending = [
        pod
        for pod in executors
        if phase_of(pod) == "Pending" and pod_failures.describe_waiting(pod) and _age(pod, now) >= REPORT_AFTER
    ]
    if not pending:
        return None
    return f"{len(pending)} of {len(executors)} executors: {pod_failures.describe_waiting(pending[0])}"


def is_orphaned(executor: Manifest, drivers: Sequence[Manifest], now: datetime) -> bool:
    """Return whether an executor exists whose driver has ended, or was lost with its node."""
    owners = {reference["uid"] for reference in executor["metadata"].get("ownerReferences") or []}
    own = [driver for driver in drivers if driver["metadata"]["uid"] in owners]
    return (
        "deletionTimestamp" not in executor["metadata"] and bool(own) and all(_is_over(driver, now) for driver in own)
    )


def _is_over(driver: Manifest, now: datetime) -> bool:
    loss = lost_pods.loss_time(driver)
    return has_ended(driver) or (loss is not None and loss <= now)


def selector_of(wanted: dict[str, str]) -> str:
    """Return the selector of what has all of these labels."""
    return ",".join(f"{name}={value}" for name, value in wanted.items())


def _age(pod: Manifest, now: datetime) -> timedelta:
    created = pod_status.time_of(pod["metadata"].get("creationTimestamp"))
    return now - created if created else timedelta(0)

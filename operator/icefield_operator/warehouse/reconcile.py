"""The story of a Warehouse: listen to its gateway, decide whether it is to run, make or end its pod, say how it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icefield_crds import Reason, Warehouse
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.errors import KubernetesError
from icefield_operator.queue import Key
from icefield_operator.spark.driver_rights import DriverRights
from icefield_operator.world import Kind, Manifest

from . import build, pods, resolve, status, validate, wanted
from .gateway import Answer, Gateways
from .pods import Seen
from .resolve import Facts
from .status import Observed
from .validate import Problem
from .wanted import Activity, Wanted

LISTEN_EVERY = timedelta(seconds=15)
"""How often a running gateway is asked."""

LISTEN_FOR_SPARK = timedelta(seconds=2)
"""How often it is asked until it says that Spark is ready."""

REFUSED_AGAIN = timedelta(seconds=5)
"""When to ask again for a pod that a quota or a policy of the namespace refused."""


class WarehouseReconciler:
    """Reconciles Warehouses."""

    def __init__(
        self,
        cluster: Cluster,
        controllers: Controllers,
        image: build.Image,
        gateways: Gateways,
        driver_rights: DriverRights,
    ) -> None:
        """Plug into the controllers."""
        self._cluster = cluster
        self._world = controllers.world
        self._image = image
        self._gateways = gateways
        self._driver_rights = driver_rights
        controllers.register(Kind.WAREHOUSE, self.reconcile)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Warehouse; return when the next is due though nothing changes."""
        await self._driver_rights.settle(key.namespace)
        warehouse = self._world.warehouse(key.namespace, key.name)
        if warehouse is None or warehouse.metadata.deletion_timestamp:
            return None
        now = datetime.now(UTC)
        answer = await self._listen(warehouse, now)
        activity = Activity(answer.running, answer.last_activity) if answer else None
        want = wanted.decide(warehouse, activity, now)
        if not want.run:
            return await self._stop(warehouse, want, answer, now)
        facts = resolve.facts(warehouse, self._world)
        problem = validate.first_problem(facts)
        around = None if problem else self._surroundings(facts)
        if around:
            problem = await self._ensure_pod(warehouse, around, now)
        seen = self._seen(warehouse, now)
        await self._write(warehouse, want, Observed(seen, answer), problem, now)
        return _next_look(want, seen, answer, problem, now)

    async def _stop(self, warehouse: Warehouse, want: Wanted, answer: Answer | None, now: datetime) -> timedelta | None:
        """End the pod; first say so, because a stop that is not written down is no reason to stay stopped."""
        await self._write(warehouse, want, Observed(self._seen(warehouse, now), answer), None, now)
        await self._end_pod(warehouse)
        newest = self._newest(warehouse)
        if newest is not None:
            await self._write(newest, want, Observed(self._seen(newest, now), None), None, now)
        return None

    async def _listen(self, warehouse: Warehouse, now: datetime) -> Answer | None:
        seen = self._seen(warehouse, now)
        if seen is None or seen.endpoint is None or not seen.gateway_ready or seen.leaving:
            return None
        return await self._gateways.ask(warehouse.metadata.namespace or "", seen.endpoint)

    async def _ensure_pod(self, warehouse: Warehouse, around: build.Surroundings, now: datetime) -> Problem | None:
        """Have a pod that is made of what the warehouse is now; return what keeps it from being made."""
        seen = self._seen(warehouse, now)
        manifest = build.pod(around)
        if seen and not seen.leaving and _is_to_be_replaced(seen, manifest, now):
            await self._end_pod(warehouse)
            seen = self._seen(warehouse, now)
        if seen:
            return None
        children = [build.network_policy(around), build.executor_config_map(around)]
        await together(*(self._cluster.apply(child) for child in children if child))
        try:
            await self._cluster.create_or_adopt(manifest)
        except KubernetesError as error:
            self._driver_rights.doubt(warehouse.metadata.namespace or "")
            return _refusal(error)
        return None

    async def _end_pod(self, warehouse: Warehouse) -> None:
        """Delete the pod: its gateway takes nothing new, and lets what runs end within the grace period."""
        pod = resolve.pod_of(warehouse, self._world)
        if pod is not None and "deletionTimestamp" not in pod["metadata"]:
            metadata = pod["metadata"]
            await self._cluster.delete(Kind.POD, metadata["namespace"], metadata["name"], uid=metadata["uid"])

    def _seen(self, warehouse: Warehouse, now: datetime) -> Seen | None:
        pod = resolve.pod_of(warehouse, self._world)
        return pods.observe(pod, now) if pod is not None else None

    def _surroundings(self, facts: Facts) -> build.Surroundings | None:
        limits = facts.warehouse.spec.spark_executors
        if facts.workspace is None or facts.flavor is None:
            return None
        executors = build.Executors(limits, facts.executor_flavor) if limits and facts.executor_flavor else None
        return build.Surroundings(facts.warehouse, facts.workspace.metadata.name, self._image, facts.flavor, executors)

    def _newest(self, warehouse: Warehouse) -> Warehouse | None:
        return self._world.warehouse(warehouse.metadata.namespace or "", warehouse.metadata.name)

    async def _write(
        self, warehouse: Warehouse, want: Wanted, observed: Observed, problem: Problem | None, now: datetime
    ) -> None:
        await self._cluster.write_status(warehouse, status.of(warehouse, want, observed, problem, now))


def _is_to_be_replaced(seen: Seen, manifest: Manifest, now: datetime) -> bool:
    outdated = seen.made_of != manifest["metadata"]["annotations"][build.HASH_ANNOTATION]
    return outdated or (seen.ended and seen.replace_time <= now)


def _refusal(error: KubernetesError) -> Problem:
    """Return why the API server did not take a pod, when that is for its owner to know; else raise it again."""
    if error.status in (400, 422):
        return Problem(Reason.INVALID_SPEC, f"Kubernetes refused its pod: {error}"[:1000], stalled=True)
    if error.status in (403, 409):
        return Problem(Reason.PENDING, f"its pod cannot be made yet: {error}"[:1000], stalled=False)
    raise error


def _next_look(
    want: Wanted, seen: Seen | None, answer: Answer | None, problem: Problem | None, now: datetime
) -> timedelta | None:
    """Return when to look again at what no watch tells of."""
    if seen is None or seen.leaving:
        return REFUSED_AGAIN if problem and not problem.stalled else None
    if seen.ended:
        return max(seen.replace_time - now, timedelta(0))
    if not seen.gateway_ready:
        return seen.give_up_time - now if seen.give_up_time else None
    often = LISTEN_FOR_SPARK if answer and not answer.spark else LISTEN_EVERY
    return min(often, max(want.idle_at - now, timedelta(0))) if want.idle_at else often

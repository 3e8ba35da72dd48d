"""The lifecycle of a Warehouse: query its gateway, decide whether it runs, create or end its pod, write its status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icefield_crds import Reason, Warehouse
from icefield_crds.wire.gateway import GatewayStatus
from icefield_kube.client import Manifest
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.problem import Problem
from icefield_operator.queue import Key
from icefield_operator.spark.driver_rbac import DriverRbac

from . import build, desired_state, pods, resolve, status, validate
from .desired_state import Activity, TargetState
from .gateway import GatewayClients
from .pods import ObservedPod
from .resolve import WarehouseFacts
from .status import Observed

POLL_INTERVAL = timedelta(seconds=15)
"""How often a running gateway is queried."""

SPARK_POLL_INTERVAL = timedelta(seconds=2)
"""How often it is queried until it reports that Spark is ready."""

REFUSED_AGAIN = timedelta(seconds=5)
"""When to retry a pod that a quota or a policy of the namespace rejected."""


class WarehouseReconciler:
    """Reconciles Warehouses."""

    def __init__(
        self,
        cluster: Cluster,
        cache: ClusterCache,
        image: build.WarehouseImage,
        gateways: GatewayClients,
        driver_rbac: DriverRbac,
    ) -> None:
        """Initialize; it acts on this cluster as its snapshot shows it."""
        self._cluster = cluster
        self._cache = cache
        self._image = image
        self._gateways = gateways
        self._driver_rbac = driver_rbac

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Warehouse; return when the next is due though nothing changes."""
        await self._driver_rbac.sync(key.namespace)
        warehouse = self._cache.warehouse(key.namespace, key.name)
        if warehouse is None or warehouse.metadata.deletion_timestamp:
            return None
        now = datetime.now(UTC)
        answer = await self._query_gateway(warehouse, now)
        activity = Activity(answer.running, answer.last_activity) if answer else None
        want = desired_state.decide(warehouse, activity, now)
        if not want.run:
            return await self._stop(warehouse, want, answer, now)
        facts = resolve.facts(warehouse, self._cache)
        problem = validate.find_problem(facts)
        context = None if problem else self._build_context(facts)
        if context:
            problem = await self._ensure_pod(warehouse, context, now)
        seen = self._observe_pod(warehouse, now)
        await self._write(warehouse, want, Observed(seen, answer), problem, now)
        return _next_pass(want, seen, answer, problem, now)

    async def _stop(
        self, warehouse: Warehouse, want: TargetState, answer: GatewayStatus | None, now: datetime
    ) -> timedelta | None:
        """End the pod; record that first, because a stop that is not recorded would be undone."""
        await self._write(warehouse, want, Observed(self._observe_pod(warehouse, now), answer), None, now)
        await self._end_pod(warehouse)
        newest = self._newest(warehouse)
        if newest is not None:
            await self._write(newest, want, Observed(self._observe_pod(newest, now), None), None, now)
        return None

    async def _query_gateway(self, warehouse: Warehouse, now: datetime) -> GatewayStatus | None:
        seen = self._observe_pod(warehouse, now)
        if seen is None or seen.endpoint is None or not seen.gateway_ready or seen.is_deleting:
            return None
        return await self._gateways.query(warehouse.metadata.namespace or "", seen.endpoint)

    async def _ensure_pod(self, warehouse: Warehouse, context: build.WarehouseContext, now: datetime) -> Problem | None:
        """Ensure a pod of the warehouse's current spec; return what keeps it from being created."""
        seen = self._observe_pod(warehouse, now)
        manifest = build.pod(context)
        if seen and not seen.is_deleting and _is_to_be_replaced(seen, manifest, now):
            await self._end_pod(warehouse)
            seen = self._observe_pod(warehouse, now)
        if seen:
            return None
        children = [build.network_policy(context), build.executor_config_map(context)]
        await together(*(self._cluster.apply(child) for child in children if child))
        try:
            await self._cluster.create_or_adopt(manifest)
        except KubernetesError as error:
            self._driver_rbac.invalidate(warehouse.metadata.namespace or "")
            return _refusal(error)
        return None

    async def _end_pod(self, warehouse: Warehouse) -> None:
        """Delete the pod: its gateway accepts no more statements, and running ones may end within the grace period."""
        pod = resolve.pod_of(warehouse, self._cache)
        if pod is not None and "deletionTimestamp" not in pod["metadata"]:
            await self._cluster.delete_object(pod)

    def _observe_pod(self, warehouse: Warehouse, now: datetime) -> ObservedPod | None:
        pod = resolve.pod_of(warehouse, self._cache)
        return pods.observe(pod, now) if pod is not None else None

    def _build_context(self, facts: WarehouseFacts) -> build.WarehouseContext | None:
        limits = facts.warehouse.spec.spark_executors
        if facts.workspace is None or facts.flavor is None:
            return None
        executors = build.Executors(limits, facts.executor_flavor) if limits and facts.executor_flavor else None
        return build.WarehouseContext(
            facts.warehouse, facts.workspace.metadata.name, self._image, facts.flavor, executors
        )

    def _newest(self, warehouse: Warehouse) -> Warehouse | None:
        return self._cache.warehouse(warehouse.metadata.namespace or "", warehouse.metadata.name)

    async def _write(
        self, warehouse: Warehouse, want: TargetState, observed: Observed, problem: Problem | None, now: datetime
    ) -> None:
        await self._cluster.write_status(warehouse, status.of(warehouse, want, observed, problem, now))


def _is_to_be_replaced(seen: ObservedPod, manifest: Manifest, now: datetime) -> bool:
    outdated = seen.spec_hash != manifest["metadata"]["annotations"][build.HASH_ANNOTATION]
    return outdated or (seen.ended and seen.replace_time <= now)


def _refusal(error: KubernetesError) -> Problem:
    """Return why the API server rejected a pod, when its owner can act on it; otherwise raise the error."""
    if error.status in (400, 422):
        return Problem(Reason.INVALID_SPEC, f"Kubernetes refused its pod: {error}"[:1000], stalled=True)
    if error.status in (403, 409):
        return Problem(Reason.PENDING, f"its pod cannot be created yet: {error}"[:1000], stalled=False)
    raise error


def _next_pass(
    want: TargetState, seen: ObservedPod | None, answer: GatewayStatus | None, problem: Problem | None, now: datetime
) -> timedelta | None:
    """Return when the next pass is due for what no watch reports."""
    if seen is None or seen.is_deleting:
        return REFUSED_AGAIN if problem and not problem.stalled else None
    if seen.ended:
        return max(seen.replace_time - now, timedelta(0))
    if not seen.gateway_ready:
        return seen.give_up_time - now if seen.give_up_time else None
    often = SPARK_POLL_INTERVAL if answer and not answer.spark else POLL_INTERVAL
    return min(often, max(want.idle_at - now, timedelta(0))) if want.idle_at else often

"""The lifecycle of a Warehouse: query its gateways, decide whether it runs, create and end pods, write its status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icefield_crds import Reason, Warehouse
from icefield_crds.wire.gateway import GatewayStatus
from icefield_kube.errors import KubernetesError
from icefield_operator.children import Children
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.problem import Problem
from icefield_operator.queue import Key
from icefield_operator.spark.driver_rbac import DriverRbac

from . import build, desired_state, pod_plan, pods, resolve, status, validate
from .desired_state import Activity, TargetState
from .gateway import GatewayClients
from .pod_plan import PodPlan
from .pods import ObservedPod
from .resolve import WarehouseFacts
from .status import Observed

POLL_INTERVAL = timedelta(seconds=15)
"""How often a running gateway is queried."""

SPARK_POLL_INTERVAL = timedelta(seconds=2)
"""How often it is queried until it reports that Spark is ready."""

DRAIN_POLL_INTERVAL = timedelta(seconds=5)
"""How often it is queried while it drains."""

REFUSED_AGAIN = timedelta(seconds=5)
"""When to retry a pod that a quota or a policy of the namespace rejected."""


Answers = dict[str, GatewayStatus | None]
"""The status of each gateway that was queried, by the name of its pod; None without an answer."""


class WarehouseReconciler:
    """Reconciles Warehouses."""

    def __init__(
        self,
        cluster: Cluster,
        cache: ClusterCache,
        image: build.WarehouseImage,
        gateways: GatewayClients,
        children: Children,
        driver_rbac: DriverRbac,
    ) -> None:
        """Initialize; it acts on this cluster as its snapshot shows it."""
        self._cluster = cluster
        self._cache = cache
        self._image = image
        self._gateways = gateways
        self._children = children
        self._driver_rbac = driver_rbac

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Warehouse; return when the next is due though nothing changes."""
        await self._driver_rbac.sync(key.namespace)
        warehouse = self._cache.warehouse(key.namespace, key.name)
        if warehouse is None or warehouse.metadata.deletion_timestamp:
            return None
        now = datetime.now(UTC)
        answers = await self._query_gateways(warehouse, now)
        want = desired_state.decide(warehouse, _activity(warehouse, answers), now)
        if not want.run:
            return await self._stop(warehouse, want, answers, now)
        facts = resolve.facts(warehouse, self._cache)
        problem = validate.find_problem(facts)
        context = None if problem else self._build_context(facts)
        plan = self._plan(warehouse, context, answers, now)
        if context:
            await self._children.ensure(build.network_policy(context))
        if context and plan.create:
            problem = await self._create_pod(warehouse, context)
            has_room = problem is None or problem.reason is not Reason.QUOTA_EXCEEDED
            plan = self._plan(warehouse, context, answers, now, has_room=has_room)
            problem = _drains_first(problem) if problem and plan.draining and not has_room else problem
        observed = _observed(plan, answers)
        await self._write(warehouse, want, observed, problem, now)
        await together(*(self._cluster.delete_object(pod.manifest) for pod in plan.delete))
        return _next_pass(warehouse, want, observed, problem, now)

    async def _stop(self, warehouse: Warehouse, want: TargetState, answers: Answers, now: datetime) -> timedelta | None:
        """End all pods; record that first, because a stop that is not recorded would be undone."""
        await self._write(warehouse, want, self._observe_stop(warehouse, answers, now), None, now)
        living = [pod for pod in self._observe_pods(warehouse, now) if not pod.is_deleting]
        await together(*(self._cluster.delete_object(pod.manifest) for pod in living))
        newest = self._newest(warehouse)
        if newest is None:
            return None
        observed = self._observe_stop(newest, {}, now)
        await self._write(newest, want, observed, None, now)
        return _until_stuck(observed, now)

    async def _query_gateways(self, warehouse: Warehouse, now: datetime) -> Answers:
        """Query the gateways of living pods; those that drain are told so each time."""
        found = [pod for pod in self._observe_pods(warehouse, now) if pod.endpoint and not pod.is_deleting]
        draining = _draining_names(warehouse)
        namespace = warehouse.metadata.namespace or ""

        async def ask(pod: ObservedPod) -> GatewayStatus | None:
            call = self._gateways.drain if pod.name in draining else self._gateways.query
            return await call(namespace, pod.endpoint or "")

        asked = [pod for pod in found if pod.gateway_ready or pod.name in draining]
        answers = await together(*(ask(pod) for pod in asked))
        return {pod.name: answer for pod, answer in zip(asked, answers, strict=True)}

    def _plan(
        self,
        warehouse: Warehouse,
        context: build.WarehouseContext | None,
        answers: Answers,
        now: datetime,
        *,
        has_room: bool = True,
    ) -> PodPlan:
        spec_hash = build.pod(context)["metadata"]["annotations"][build.HASH_ANNOTATION] if context else None
        found = self._observe_pods(warehouse, now)
        return pod_plan.make_plan(warehouse, found, spec_hash, answers, now, has_room=has_room)

    async def _create_pod(self, warehouse: Warehouse, context: build.WarehouseContext) -> Problem | None:
        """Create a pod of the warehouse's present spec; return what keeps it from being created."""
        beside = [pod["metadata"]["name"] for pod in resolve.pods_of(warehouse, self._cache)]
        try:
            await self._cluster.create_or_adopt(build.pod(context, beside))
        except KubernetesError as error:
            return _refusal(error)
        return None

    def _observe_pods(self, warehouse: Warehouse, now: datetime) -> list[ObservedPod]:
        return [pods.observe(pod, now) for pod in resolve.pods_of(warehouse, self._cache)]

    def _observe_stop(self, warehouse: Warehouse, answers: Answers, now: datetime) -> Observed:
        """Return what is observed of a warehouse that stops: the pod that serves is the one that served last."""
        found = self._observe_pods(warehouse, now)
        ending = [pod for pod in found if not pod.is_stuck]
        serving = warehouse.status.pod_name if warehouse.status else None
        pod = max(ending, key=lambda pod: (pod.name == serving, pod.created), default=None)
        return Observed(
            pod, answers.get(pod.name) if pod else None, deleting=pod_plan.as_draining(warehouse, found, now)
        )

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


def _draining_names(warehouse: Warehouse) -> set[str]:
    return {each.pod_name for each in warehouse.status.draining_pods} if warehouse.status else set()


def _activity(warehouse: Warehouse, answers: Answers) -> Activity | None:
    """Return what its gateways together report; None while one that takes statements does not answer.

    A statement on a pod that drains keeps the warehouse busy, too; one that does not answer has its own limit.
    """
    serving = answers.keys() - _draining_names(warehouse)
    if not serving or any(answers[name] is None for name in serving):
        return None
    known = [answer for answer in answers.values() if answer]
    return Activity(sum(answer.running for answer in known), max(answer.last_activity for answer in known))


def _observed(plan: PodPlan, answers: Answers) -> Observed:
    answer = answers.get(plan.serving.name) if plan.serving else None
    return Observed(plan.serving, answer, plan.successor, plan.draining, plan.deleting)


def _refusal(error: KubernetesError) -> Problem:
    """Return why the API server rejected a pod, when its owner can act on it; otherwise raise the error."""
    if error.status in (400, 422):
        return Problem(Reason.INVALID_SPEC, f"Kubernetes refused its pod: {error}"[:1000], stalled=True)
    if error.status == 403 and "exceeded quota" in error.message:
        return Problem(Reason.QUOTA_EXCEEDED, f"its pod cannot be created yet: {error}"[:1000], stalled=False)
    if error.status in (403, 409):
        return Problem(Reason.PENDING, f"its pod cannot be created yet: {error}"[:1000], stalled=False)
    raise error


def _drains_first(refused: Problem) -> Problem:
    return Problem(
        refused.reason,
        f"the quota has no room for two pods at once, so the old one ends its statements first: {refused.message}",
        stalled=False,
    )


def _next_pass(
    warehouse: Warehouse, want: TargetState, observed: Observed, problem: Problem | None, now: datetime
) -> timedelta | None:
    """Return when the next pass is due for what no watch reports."""
    is_new = any(each.pod.name not in _draining_names(warehouse) for each in observed.draining)
    due = [
        _until_stuck(observed, now),
        # One that does not know yet that it drains is told at once.
        (timedelta(0) if is_new else DRAIN_POLL_INTERVAL) if observed.draining else None,
        REFUSED_AGAIN if problem and not problem.stalled else None,
        _until_room_is_made(observed.successor, now),
        _next_look(observed.pod, observed.answer, want, now),
        _next_look(observed.successor, None, want, now),
    ]
    return min((each for each in due if each is not None), default=None)


def _next_look(
    pod: ObservedPod | None, answer: GatewayStatus | None, want: TargetState, now: datetime
) -> timedelta | None:
    if pod is None:
        return None
    if pod.ended:
        return max(pod.replace_time - now, timedelta(0))
    if not pod.gateway_ready:
        return pod.give_up_time - now if pod.give_up_time else None
    often = SPARK_POLL_INTERVAL if answer and not answer.spark else POLL_INTERVAL
    return min(often, max(want.idle_at - now, timedelta(0))) if want.idle_at else often


def _until_room_is_made(successor: ObservedPod | None, now: datetime) -> timedelta | None:
    if successor is None or successor.unschedulable_since is None:
        return None
    return max(successor.unschedulable_since + pod_plan.ROOM_PATIENCE - now, timedelta(0))


def _until_stuck(observed: Observed, now: datetime) -> timedelta | None:
    """Return when a pod that is being deleted counts as stuck, should it not be gone by then."""
    times = [each.pod.stuck_time for each in observed.deleting if each.pod.stuck_time and not each.pod.is_stuck]
    return max(min(times) - now, timedelta(0)) if times else None

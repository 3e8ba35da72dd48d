"""Keeps each workspace's warm sandboxes: a controller of its own, whose keys are named after Workspaces."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from icefield_crds import Workspace, names
from icefield_kube.client import Manifest
from icefield_kube.errors import Conflict, Forbidden, KubernetesError, NotFound
from icefield_kube.store import OrderedGroups
from icefield_operator import pod_status
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import Entry, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key

from . import pool_plan
from .build import SandboxBuilder

log = logging.getLogger(__name__)

KEY_KIND = "SandboxPool"
"""The kind of the keys; no object is of it."""
REFUSED_AGAIN = timedelta(seconds=15)
"""When to ask again for sandboxes that a quota refused, or for which there is no namespace yet."""
PAUSE = timedelta(minutes=1)
"""For how long a pool is drained for a run that the namespace has no quota for."""
MAX_CREATED_PER_PASS = 10
"""How many sandboxes one pass creates."""
_NEVER = datetime.min.replace(tzinfo=UTC)
STABLE_AFTER = timedelta(minutes=1)
"""A sandbox that was ready for so long resets the back-off."""


class SandboxPoolReconciler:
    """Reconciles the pool of each Workspace."""

    def __init__(self, cluster: Cluster, controllers: Controllers, builder: SandboxBuilder) -> None:
        """Initialize."""
        self._cluster = cluster
        self._controllers = controllers
        self._cache = controllers.cache
        self._builder = builder
        self._uses: OrderedGroups[Entry] = OrderedGroups(_last_use, _namespace_of_workload)
        self._cache.add_index(Kind.RUN, self._uses)
        self._last_use: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._hold: dict[str, datetime] = {}
        self._paused_until: dict[str, datetime] = {}
        self._unconfirmed: dict[str, set[str]] = {}
        """By workspace, names of sandboxes whose creation was not confirmed."""

    def on_claimed(self, workspace: Workspace) -> None:
        """Refill the pool after a claim: the pod is no longer the workspace's, so no event of it concerns the pool."""
        self._controllers.enqueue(key_of_pool(workspace.metadata.name))

    def pause(self, workspace: Workspace) -> None:
        """Drain the pool for a while: a run exceeded the quota."""
        self._paused_until[workspace.metadata.name] = datetime.now(UTC) + PAUSE
        self._controllers.enqueue(key_of_pool(workspace.metadata.name))

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a pool; return when the next is due though nothing changes."""
        workspace = self._cache.workspace(key.name)
        if workspace is None:
            for memory in (self._last_use, self._failures, self._hold, self._paused_until, self._unconfirmed):
                memory.pop(key.name, None)
            return None
        now = datetime.now(UTC)
        size, until = self._wanted(workspace, now)
        pods = self._cache.pods_of(workspace.metadata.uid)
        plan = pool_plan.decide(pods, size, self._builder.template_hash(), now, self._hold.get(key.name))
        self._record_failures(key.name, pods, plan, now)
        await together(*(self._delete(pod) for pod in plan.delete))
        if workspace.metadata.deletion_timestamp:
            return None
        made_all = await self._create_missing(workspace, 0 if plan.failed else plan.create)
        times = [until, plan.next_pass, self._hold.get(key.name) if plan.failed else None]
        times.append(None if made_all else now + REFUSED_AGAIN)
        return min((max(time - now, timedelta(0)) for time in times if time), default=None)

    def _wanted(self, workspace: Workspace, now: datetime) -> tuple[int, datetime | None]:
        name = workspace.metadata.name
        paused_until = self._paused_until.get(name)
        if paused_until is not None and now < paused_until:
            return 0, paused_until
        size, until = pool_plan.wanted(workspace, self._last_use.get(name), now)
        if size or not workspace.spec.sandboxes.warm_pool.size:
            return size, until
        # What is remembered is out of date, or nothing is.
        if latest := self._uses.last(workspace.namespace):
            self._last_use[name] = latest[0]
        return pool_plan.wanted(workspace, self._last_use.get(name), now)

    def _record_failures(self, name: str, pods: list[Manifest], plan: pool_plan.Plan, now: datetime) -> None:
        if plan.failed:
            self._failures[name] = self._failures.get(name, 0) + 1
            self._hold[name] = now + pool_plan.backoff(self._failures[name])
            log.warning("Warm sandboxes of workspace %s failed; new ones at %s", name, self._hold[name].isoformat())
        elif any(_is_stable(pod, now) for pod in pods):
            self._failures.pop(name, None)
            self._hold.pop(name, None)

    async def _create_missing(self, workspace: Workspace, count: int) -> bool:
        """Create the missing sandboxes; return whether all were created."""
        if count == 0:
            return True
        # First those whose creation was not confirmed: creating them again is idempotent.
        unconfirmed = self._unconfirmed.setdefault(workspace.metadata.name, set())
        unconfirmed -= {name for name in unconfirmed if self._cache.pod(workspace.namespace, name)}
        again = sorted(unconfirmed)
        fresh = (names.sandbox_pod(secrets.token_hex(4)) for _ in range(count))
        chosen = [*again, *fresh][: min(count, MAX_CREATED_PER_PASS)]
        try:
            await together(*(self._create(workspace, name, unconfirmed) for name in chosen))
        except (Forbidden, NotFound) as error:
            log.info("Cannot create warm sandboxes for workspace %s: %s", workspace.metadata.name, error)
            return False
        if len(chosen) < count:
            self._controllers.enqueue(key_of_pool(workspace.metadata.name))
        return True

    async def _create(self, workspace: Workspace, name: str, unconfirmed: set[str]) -> None:
        unconfirmed.add(name)
        try:
            await self._cluster.create_or_adopt(self._builder.warm(workspace, name))
        except KubernetesError as error:
            if error.is_refusal:
                unconfirmed.discard(name)
            raise
        unconfirmed.discard(name)

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        with suppress(Conflict):
            # Changed meanwhile, perhaps claimed: the next pass sees its state.
            await self._cluster.delete(
                Kind.POD,
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )


def _is_stable(pod: Manifest, now: datetime) -> bool:
    ready = pod_status.condition(pod, "Ready")
    since = pod_status.time_of(ready.get("lastTransitionTime"))
    return ready.get("status") == "True" and since is not None and now - since > STABLE_AFTER


def _last_use(run: Entry) -> tuple[datetime]:
    """Return when a Polars workload ended, or else was created."""
    record = run.run
    return ((record and (record.completed or record.created)) or _NEVER,)


def _namespace_of_workload(run: Entry) -> tuple[str, ...]:
    return (run.identity.namespace,) if run.run and run.run.is_polars else ()


def key_of_pool(workspace: str) -> Key:
    """Return the key of a workspace's pool, by the workspace's slug."""
    return Key(KEY_KIND, "", workspace)

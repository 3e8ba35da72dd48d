"""Keeps each workspace's warm sandboxes: a controller of its own, whose keys are named after Workspaces."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from icefield_crds import Workspace, names
from icefield_operator import waiting
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.errors import Conflict, Forbidden, KubernetesError, NotFound
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest, key_of, pod_owner

from . import pool
from .build import SandboxBuilder

log = logging.getLogger(__name__)

POOL = "SandboxPool"
"""The kind of the keys; no object is of it."""
REFUSED_AGAIN = timedelta(seconds=15)
"""When to ask again for sandboxes that a quota refused, or for which there is no namespace yet."""
MAKING_ROOM = timedelta(minutes=1)
"""For how long a pool stands back for a run that the namespace has no room for."""
MOST_AT_ONCE = 10
"""How many sandboxes one pass makes."""
SETTLED = timedelta(minutes=1)
"""A sandbox that stood ready for so long shows that sandboxes do not break any more."""


class SandboxPools:
    """Reconciles the pool of each Workspace."""

    def __init__(self, cluster: Cluster, controllers: Controllers, builder: SandboxBuilder) -> None:
        """Plug into the controllers."""
        self._cluster = cluster
        self._controllers = controllers
        self._world = controllers.world
        self._builder = builder
        self._last_use: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._hold: dict[str, datetime] = {}
        self._yielding: dict[str, datetime] = {}
        self._unsure: dict[str, set[str]] = {}
        """By workspace, names of sandboxes of which it is not known whether they were made."""
        controllers.register(POOL, self.reconcile, names_of=Kind.WORKSPACE)
        controllers.relate(Kind.WORKSPACE, lambda workspace: [_key(workspace["metadata"]["name"])])
        controllers.relate(Kind.POD, _of_pod)
        controllers.relate(Kind.RUN, _of_run)

    def note_claim(self, workspace: Workspace, pod: Manifest) -> None:
        """Make up for a sandbox that was just claimed, and have whoever follows task pods see that it is one now."""
        self._controllers.enqueue(_key(workspace.metadata.name))
        self._controllers.enqueue(Key(Kind.POD, *key_of(pod)))

    def make_room(self, workspace: Workspace) -> None:
        """Have warm sandboxes go for a while: a run found no room."""
        self._yielding[workspace.metadata.name] = datetime.now(UTC) + MAKING_ROOM
        self._controllers.enqueue(_key(workspace.metadata.name))

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a pool; return when the next is due though nothing changes."""
        workspace = self._world.workspace(key.name)
        if workspace is None:
            for memory in (self._last_use, self._failures, self._hold, self._yielding, self._unsure):
                memory.pop(key.name, None)
            return None
        now = datetime.now(UTC)
        size, until = self._wanted(workspace, now)
        pods = self._world.pods_of(workspace.metadata.uid)
        plan = pool.decide(pods, size, self._builder.template_hash(), now, self._hold.get(key.name))
        self._note_breaks(key.name, pods, plan, now)
        await together(*(self._delete(pod) for pod in plan.delete))
        if workspace.metadata.deletion_timestamp:
            return None
        made_all = await self._make(workspace, 0 if plan.broken else plan.make)
        looks = [until, plan.next_look, self._hold.get(key.name) if plan.broken else None]
        looks.append(None if made_all else now + REFUSED_AGAIN)
        return min((max(look - now, timedelta(0)) for look in looks if look), default=None)

    def _wanted(self, workspace: Workspace, now: datetime) -> tuple[int, datetime | None]:
        name = workspace.metadata.name
        yielding = self._yielding.get(name)
        if yielding is not None and now < yielding:
            return 0, yielding
        size, until = pool.wanted(workspace, self._last_use.get(name), now)
        if size or not workspace.spec.sandboxes.warm_pool.size:
            return size, until
        # What is remembered is out of date, or nothing is.
        uses = [use for run in self._world.manifests(Kind.RUN, workspace.namespace) for use in _uses(run)]
        if uses:
            self._last_use[name] = max(uses)
        return pool.wanted(workspace, self._last_use.get(name), now)

    def _note_breaks(self, name: str, pods: list[Manifest], plan: pool.Plan, now: datetime) -> None:
        if plan.broken:
            self._failures[name] = self._failures.get(name, 0) + 1
            self._hold[name] = now + pool.backoff(self._failures[name])
            log.warning("Warm sandboxes of workspace %s broke; new ones at %s", name, self._hold[name].isoformat())
        elif any(_is_settled(pod, now) for pod in pods):
            self._failures.pop(name, None)
            self._hold.pop(name, None)

    async def _make(self, workspace: Workspace, count: int) -> bool:
        """Make sandboxes; return whether all that are missing were made."""
        if count == 0:
            return True
        # First those of which nobody knows whether they are there: asking again for them makes none twice.
        unsure = self._unsure.setdefault(workspace.metadata.name, set())
        unsure -= {name for name in unsure if self._world.pod(workspace.namespace, name)}
        again = sorted(unsure)
        fresh = (names.sandbox_pod(secrets.token_hex(4)) for _ in range(count))
        chosen = [*again, *fresh][: min(count, MOST_AT_ONCE)]
        try:
            await together(*(self._make_one(workspace, name, unsure) for name in chosen))
        except (Forbidden, NotFound) as error:
            log.info("No more warm sandboxes for workspace %s: %s", workspace.metadata.name, error)
            return False
        if len(chosen) < count:
            self._controllers.enqueue(_key(workspace.metadata.name))
        return True

    async def _make_one(self, workspace: Workspace, name: str, unsure: set[str]) -> None:
        unsure.add(name)
        try:
            await self._cluster.create_or_adopt(self._builder.warm(workspace, name))
        except KubernetesError as error:
            if error.status < 500 and error.status != 408:
                unsure.discard(name)
            raise
        unsure.discard(name)

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        with suppress(Conflict):
            # Changed meanwhile, perhaps claimed: the next pass sees how it stands.
            await self._cluster.delete(
                Kind.POD,
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )


def _is_settled(pod: Manifest, now: datetime) -> bool:
    ready = waiting.condition(pod, "Ready")
    since = waiting.time_of(ready.get("lastTransitionTime"))
    return ready.get("status") == "True" and since is not None and now - since > SETTLED


def _uses(run: Manifest) -> Iterator[datetime]:
    """Yield when a Polars workload was created and ended."""
    if (run.get("spec") or {}).get("polars") is None:
        return
    for time in (run["metadata"].get("creationTimestamp"), (run.get("status") or {}).get("completionTime")):
        if found := waiting.time_of(time):
            yield found


def _of_pod(pod: Manifest) -> Iterator[Key]:
    if (owner := pod_owner(pod)) and owner.kind is Kind.WORKSPACE:
        yield _key(owner.name)


def _of_run(run: Manifest) -> Iterator[Key]:
    slug = names.workspace_of(run["metadata"]["namespace"])
    if slug and (run.get("spec") or {}).get("polars") is not None:
        yield _key(slug)


def _key(workspace: str) -> Key:
    return Key(POOL, "", workspace)

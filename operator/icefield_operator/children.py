"""What workspaces own besides pods, as a watch shows it: their namespaces, accounts, role bindings and policies.

A pass that remembered what it applied would leave away for ever what somebody deletes by hand. So these kinds are
watched: a pass compares what should be with what is there, without a call, and a change by others enqueues the owner.
Secrets and ConfigMaps are not watched, as their contents would all be held in memory; every pass over a Workspace
applies them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Set
from typing import Any

from icefield_crds import labels
from icefield_kube.client import Manifest
from icefield_kube.store import Identity, VersionedStore

from .cluster import Cluster
from .cluster_cache import key_of, version_of
from .controllers import Controllers
from .queue import Key

WATCHED = ("Namespace", "ServiceAccount", "RoleBinding", "NetworkPolicy")
SYNC_SECONDS = 30.0
"""How long a pass waits for the first list, before it fails and is tried again."""

Relation = Callable[[Manifest], Iterable[Key]]


class Children:
    """The watched children of all workspaces."""

    def __init__(self, cluster: Cluster, controllers: Controllers) -> None:
        """Initialize; nothing is watched before `run`."""
        self._cluster = cluster
        self._controllers = controllers
        self._relations: list[Relation] = []
        self._views = {kind: _View(kind, self._changed) for kind in WATCHED}
        self._synced = asyncio.Event()

    def relate(self, relation: Relation) -> None:
        """Have a change of a child, by others than us, enqueue these keys."""
        self._relations.append(relation)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            reflectors = [
                self._cluster.reflector(kind, view, selector=labels.CHILD_SELECTOR)
                for kind, view in self._views.items()
            ]
            for reflector in reflectors:
                group.create_task(reflector.run())
            for reflector in reflectors:
                await reflector.wait_until_synced()
            self._synced.set()

    async def wait_until_synced(self) -> None:
        """Return once everything was listed.

        Raises:
            TimeoutError: that takes too long.
        """
        async with asyncio.timeout(SYNC_SECONDS):
            await self._synced.wait()

    def find(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """Return a child as it is; one without our labels is not known."""
        return self._views[kind].find(namespace, name)

    async def ensure(self, manifest: Manifest) -> None:
        """Apply a child unless it is as it should be."""
        kind = manifest["kind"]
        present = self.find(kind, *key_of(manifest))
        if present is None or "deletionTimestamp" in present["metadata"] or not contains(present, manifest):
            self._views[kind].record(await self._cluster.apply(manifest))

    async def ensure_absent(self, manifest: Manifest) -> None:
        """Delete a child if it is there."""
        kind, (namespace, name) = manifest["kind"], key_of(manifest)
        if (present := self.find(kind, namespace, name)) is not None:
            await self._cluster.delete(kind, namespace, name)
            self._views[kind].forget(present)

    def _changed(self, manifest: Manifest) -> None:
        for relation in self._relations:
            for key in relation(manifest):
                self._controllers.enqueue(key)


class _View:
    """The children of one kind, and what a reflector reports of them."""

    def __init__(self, kind: str, changed: Callable[[Manifest], None]) -> None:
        self._store: VersionedStore[Manifest] = VersionedStore(_identity_of)
        self._kind = kind
        self._changed = changed

    def find(self, namespace: str | None, name: str) -> Manifest | None:
        """Return the child of this name."""
        return self._store.get(namespace, name)

    def record(self, manifest: Manifest) -> bool:
        """Store what a write of ours returned: its event tells nothing new."""
        return self._store.put({**manifest, "kind": self._kind})

    def forget(self, manifest: Manifest) -> None:
        """Drop what a write of ours deleted; a newer version of it, as one that waits for a finalizer, stays."""
        self._store.remove(manifest["metadata"]["uid"], version_of(manifest))

    def put(self, item: Manifest) -> None:
        """Store an object; one that is new was made by us, or is looked at by the pass that needs it."""
        known = self._store.get(*key_of(item))
        if self.record(item) and known is not None:
            self._changed({**item, "kind": self._kind})

    def remove(self, item: Manifest) -> None:
        """Drop an object that somebody deleted."""
        if self._store.remove(item["metadata"]["uid"], version_of(item)):
            self._changed({**item, "kind": self._kind})

    def retain(self, listed: Set[str], version: int) -> None:
        """Drop what a list has no more: it was deleted meanwhile."""
        for manifest in self._store.retain(listed, version):
            self._changed(manifest)


def _identity_of(manifest: Manifest) -> Identity:
    return Identity(manifest["metadata"]["uid"], *key_of(manifest), version_of(manifest))


def contains(present: Any, wanted: Any) -> bool:
    """Return whether an object has all that is wanted of it; what the API server added besides does not count."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(contains(present.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        is_list = isinstance(present, list) and len(present) == len(wanted)
        return is_list and all(contains(*pair) for pair in zip(present, wanted, strict=True))
    return bool(present == wanted)

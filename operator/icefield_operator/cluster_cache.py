"""The operator's snapshot of the cluster: what the watches reported, corrected at once by the operator's own writes.

kopf delivers watch events but does not report a watch that died, and after a lost connection it lists again without
reporting what was deleted meanwhile. So the snapshot is also compared with a fresh list now and then; and each write of
ours, and each difference that such a list shows, is a version that the watch must deliver soon, or it counts as dead.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Set
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from icefield_crds import Flavor, Job, Resource, Run, Warehouse, Workspace
from icefield_crds.names import workspace_of
from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_kube.client import Manifest
from icefield_kube.errors import NotFound
from icefield_kube.store import GroupIndex, Identity, Index, VersionedStore

from .cache_entry import MODELS, Entry, RunRecord, key_of, version_of

__all__ = [
    "MODELS",
    "WATCHED_KINDS",
    "ClusterCache",
    "Entry",
    "Kind",
    "Owner",
    "RunRecord",
    "UnwatchedListener",
    "key_of",
    "owners",
    "pod_owner",
    "version_of",
]

UnwatchedListener = Callable[[Manifest | None, Manifest | None], None]
"""Called with what was known of an object, and with what is known now; None before its creation and after its end."""

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])


class Kind(StrEnum):
    """Names of the kinds that one kind's code uses of another."""

    WORKSPACE = "Workspace"
    FLAVOR = "Flavor"
    JOB = "Job"
    RUN = "Run"
    WAREHOUSE = "Warehouse"
    POD = "Pod"


WATCHED_KINDS: tuple[str, ...] = (Kind.POD.value, *MODELS)
"""Pods, and every kind of the contract; a resync works on them in this order."""


class ClusterCache:
    """The cached snapshot. Reading never waits; what is returned must not be changed in place."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` returns seconds, for the ages in `watch_age`."""
        self._clock = clock
        self._by_namespace = {kind: GroupIndex(_namespace_of) for kind in WATCHED_KINDS}
        self._pods_by_owner = GroupIndex(_pod_owner_uids)
        self._unfinished = GroupIndex(_namespace_of_unfinished)
        self._replaced = GroupIndex(_replacement)
        further: dict[str, list[GroupIndex[Entry]]] = {
            Kind.POD: [self._pods_by_owner],
            Kind.RUN: [self._unfinished, self._replaced],
        }
        self._stores: dict[str, VersionedStore[Entry]] = {
            kind: VersionedStore(_identity_of, [self._by_namespace[kind], *further.get(kind, [])])
            for kind in WATCHED_KINDS
        }
        self._awaited: dict[str, dict[tuple[str, str], tuple[int, float]]] = {kind: {} for kind in WATCHED_KINDS}
        self._received_at: dict[str, float] = {}
        self._unwatched: list[UnwatchedListener] = []

    def on_unwatched_change(self, listener: UnwatchedListener) -> None:
        """Have `listener` called with each change that the watch will not report as one, for it is known already.

        Such are what a write of ours returned, and an object that an answer or a list shows to be gone. What else a
        list shows is not told: a resync enqueues it all.
        """
        self._unwatched.append(listener)

    def add_index(self, kind: str, index: Index[Entry]) -> None:
        """Have an index of a feature's own follow the objects of a kind; a Pod is `pods_of` its owner by then."""
        self._stores[kind].add_index(index)

    # Reading

    def workspace(self, name: str) -> Workspace | None:
        """Return the Workspace of this name."""
        return self.resource(Workspace, "", name)

    def workspace_of_namespace(self, namespace: str) -> Workspace | None:
        """Return the Workspace that a namespace belongs to."""
        slug = workspace_of(namespace)
        return self.workspace(slug) if slug else None

    def workspaces(self) -> list[Workspace]:
        """Return every Workspace, by name."""
        return self.resources(Workspace)

    def flavor(self, name: str) -> Flavor | None:
        """Return the Flavor of this name."""
        return self.resource(Flavor, "", name)

    def flavor_names(self) -> list[str]:
        """Return the name of every Flavor."""
        return [flavor.metadata.name for flavor in self.resources(Flavor)]

    def job(self, namespace: str, name: str) -> Job | None:
        """Return the Job of this name."""
        return self.resource(Job, namespace, name)

    def jobs(self, namespace: str | None = None) -> list[Job]:
        """Return the Jobs of a namespace, or all."""
        return self.resources(Job, namespace)

    def run(self, namespace: str, name: str) -> Run | None:
        """Return the Run of this name."""
        return self.resource(Run, namespace, name)

    def unfinished_runs(self, namespace: str | None = None) -> list[Run]:
        """Return the Runs of a namespace, or all, that have not ended; their number does not grow with history."""
        found = self._unfinished.of(namespace) if namespace is not None else self._unfinished.all()
        return [entry.model for entry in found if isinstance(entry.model, Run)]

    def count_unfinished_runs(self) -> int:
        """Return how many Runs have not ended."""
        return self._unfinished.count()

    def unfinished_replaced_by(self, namespace: str, name: str) -> list[str]:
        """Return the names of the Runs that this one replaces and that have not ended."""
        return [entry.identity.name for entry in self._replaced.of(f"{namespace}/{name}")]

    def warehouse(self, namespace: str, name: str) -> Warehouse | None:
        """Return the Warehouse of this name."""
        return self.resource(Warehouse, namespace, name)

    def warehouses(self, namespace: str | None = None) -> list[Warehouse]:
        """Return the Warehouses of a namespace, or all, by name."""
        return self.resources(Warehouse, namespace)

    def pod(self, namespace: str, name: str) -> Manifest | None:
        """Return the pod of this name, of a task or of a warehouse."""
        entry = self._stores[Kind.POD].get(namespace, name)
        return entry.manifest if entry else None

    def pods_of(self, uid: str) -> list[Manifest]:
        """Return the pods that the Run, Warehouse or Workspace with this uid owns."""
        return [entry.manifest for entry in self._pods_by_owner.of(uid)]

    def manifest(self, kind: str, uid: str) -> Manifest | None:
        """Return the object of a kind with this metadata.uid, as the API serves it."""
        entry = self._stores[kind].by_uid(uid)
        return entry.manifest if entry else None

    def names(self, kind: str) -> list[tuple[str, str]]:
        """Return (namespace, name) of every cached object of a kind; the namespace is "" for cluster-scoped kinds."""
        return self._stores[kind].names()

    def names_to_resync(self, kind: str) -> list[tuple[str, str]]:
        """Return (namespace, name) of every cached object of a kind that can still need a pass."""
        if kind != Kind.RUN:
            return self.names(kind)
        return [
            (entry.identity.namespace, entry.identity.name)
            for entry in self._stores[kind].all()
            if self._is_open(entry)
        ]

    # Updating

    def record(self, manifest: Manifest) -> None:
        """Store what a write of ours returned; from now on the watch must deliver this version."""
        kind = manifest.get("kind", "")
        if kind not in WATCHED_KINDS:
            return
        known = self._stores[kind].get(*key_of(manifest))
        if self._stores[kind].put(Entry(manifest)):
            self._await(manifest)
            self._tell(known.manifest if known else None, manifest)

    def observe(self, event: str | None, manifest: Manifest) -> bool:
        """Store a watch event.

        Args:
            event: ADDED, MODIFIED, DELETED, or None for an object of the watch's initial list.
            manifest: the object.

        Returns:
            Whether it changed the snapshot.
        """
        kind = manifest["kind"]
        self._received_at[kind] = self._clock()
        key, version = key_of(manifest), version_of(manifest)
        awaited = self._awaited[kind].get(key)
        if awaited and version >= awaited[0]:
            del self._awaited[kind][key]
        if event == "DELETED":
            return self._stores[kind].remove(manifest["metadata"]["uid"], version)
        return self._stores[kind].put(Entry(manifest))

    def replace(self, kind: str, manifests: Iterable[Manifest], version: str) -> None:
        """Store a complete fresh list of a kind, made at this resourceVersion.

        Where it is newer than what the watch delivered, the watch must deliver that version from now on.
        """
        self._retain(kind, self._put_listed(kind, manifests), version)

    async def replace_by_pages(self, kind: str, pages: AsyncIterable[tuple[list[Manifest], str]]) -> str:
        """Store a complete fresh list page by page, as `replace` does; no more than a page is in memory as it came.

        Returns the resourceVersion of the list.

        Args:
            kind: the kind listed.
            pages: objects, and the resourceVersion of the list.
        """
        listed: set[str] = set()
        version = ""
        async for manifests, version_of_page in pages:
            listed |= self._put_listed(kind, manifests)
            version = version_of_page
        self._retain(kind, listed, version)
        return version

    def start_over(self, kind: str, listed: Set[str], version: int) -> list[Manifest]:
        """Drop what the complete list of a kind lacks that its watch continues from; return what was dropped.

        Args:
            kind: the kind listed.
            listed: metadata.uid of each object of the list; each was observed.
            version: resourceVersion of the list.
        """
        awaited = self._awaited[kind]
        self._awaited[kind] = {key: each for key, each in awaited.items() if each[0] > version}
        self._received_at[kind] = self._clock()
        return [entry.manifest for entry in self._stores[kind].retain(listed, version)]

    def forget(self, kind: str, namespace: str | None, name: str, uid: str | None) -> None:
        """Drop an object that the API has just reported as deleted.

        Args:
            kind: any; one that is not watched is none of ours.
            namespace: its namespace.
            name: its name.
            uid: its uid; None when only the name is known, which a newer object may have by now.
        """
        if kind not in WATCHED_KINDS:
            return
        store = self._stores[kind]
        known = store.by_uid(uid) if uid else store.get(namespace, name)
        if uid:
            store.remove(uid)
        elif known:
            store.remove(known.identity.uid, known.identity.version)
        if known:
            self._awaited[kind].pop((namespace or "", name), None)
            self._tell(known.manifest, None)

    def forget_not_found(self, error: NotFound, kind: str, namespace: str | None, name: str, uid: str | None) -> None:
        """Drop an object that the API answered not to have; an answer that does not name it says nothing of it."""
        if error.names(name):
            self.forget(kind, namespace, name, uid)

    # Health of the watches

    def watch_age(self, kind: str) -> float:
        """Return for how many seconds the watch of a kind has not proven to be alive.

        Proof is an event, or a fresh list that agrees with what the watch delivered. While a version is awaited, only
        its delivery counts.
        """
        now = self._clock()
        oldest = min((since for _, since in self._awaited[kind].values()), default=None)
        return now - (self._received_at.get(kind, float("-inf")) if oldest is None else oldest)

    def _put_listed(self, kind: str, manifests: Iterable[Manifest]) -> set[str]:
        """Store objects of a list that is being received; return their uids."""
        listed = set()
        for manifest in manifests:
            listed.add(manifest["metadata"]["uid"])
            if self._stores[kind].put(Entry(manifest)) and kind in self._received_at:
                self._await(manifest)
        return listed

    def _retain(self, kind: str, listed: Set[str], version: str) -> None:
        for entry in self._stores[kind].retain(listed, int(version)):
            self._awaited[kind].pop((entry.identity.namespace, entry.identity.name), None)
            self._tell(entry.manifest, None)
        self._received_at[kind] = self._clock()

    def _is_open(self, entry: Entry) -> bool:
        return entry.run is None or not entry.run.is_settled or bool(self._pods_by_owner.of(entry.identity.uid))

    def _tell(self, old: Manifest | None, new: Manifest | None) -> None:
        for listener in self._unwatched:
            listener(old, new)

    def _await(self, manifest: Manifest) -> None:
        kind, key = manifest["kind"], key_of(manifest)
        _, since = self._awaited[kind].get(key, (0, self._clock()))
        self._awaited[kind][key] = (version_of(manifest), since)

    def resource(self, model: type[ResourceT], namespace: str, name: str) -> ResourceT | None:
        """Return the resource of this kind and name; the namespace is "" for cluster-scoped kinds."""
        entry = self._stores[model.KIND].get(namespace, name)
        return entry.model if entry and isinstance(entry.model, model) else None

    def resources(self, model: type[ResourceT], namespace: str | None = None) -> list[ResourceT]:
        """Return the resources of this kind in a namespace, or all, by name."""
        kind = model.KIND
        found = self._stores[kind].all() if namespace is None else self._by_namespace[kind].of(namespace)
        by_name = sorted(found, key=lambda entry: key_of(entry.manifest))
        return [entry.model for entry in by_name if isinstance(entry.model, model)]


class Owner(NamedTuple):
    """Who owns a pod."""

    kind: str
    name: str
    uid: str


def pod_owner(pod: Manifest) -> Owner | None:
    """Return the resource of ours that owns a pod."""
    return next((Owner(kind, *found) for kind in MODELS for found in owners(pod, kind)), None)


def owners(manifest: Manifest, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (name, uid) of each owner of this kind."""
    for reference in manifest["metadata"].get("ownerReferences") or []:
        if reference["kind"] == kind:
            yield reference["name"], reference["uid"]


def _identity_of(entry: Entry) -> Identity:
    return entry.identity


def _namespace_of(entry: Entry) -> tuple[str]:
    return (entry.identity.namespace,)


def _pod_owner_uids(entry: Entry) -> tuple[str, ...]:
    owner = pod_owner(entry.manifest)
    return (owner.uid,) if owner else ()


def _namespace_of_unfinished(entry: Entry) -> tuple[str, ...]:
    return (entry.identity.namespace,) if entry.run and entry.run.is_unfinished else ()


def _replacement(entry: Entry) -> tuple[str, ...]:
    if not entry.run or not entry.run.is_unfinished:
        return ()
    by = (entry.manifest["metadata"].get("annotations") or {}).get(REPLACED_BY_ANNOTATION)
    return (f"{entry.identity.namespace}/{by}",) if by else ()

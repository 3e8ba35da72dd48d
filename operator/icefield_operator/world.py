"""The operator's view of the cluster: what the watches last said, corrected at once by what we wrote ourselves.

kopf delivers watch events, but says nothing of a watch that died, and after a lost connection it lists anew without
telling what vanished meanwhile. So the view is also compared with a fresh list now and then, and each write that we
made, and each difference that a list shows, is something the watch must deliver soon: a watch that does not is dead.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from icefield_crds import Flavor, Job, Resource, Run, RunPhase, Warehouse, Workspace
from icefield_crds.names import workspace_of

log = logging.getLogger(__name__)

Manifest = dict[str, Any]
"""An object as Kubernetes' API serves it."""

WriteListener = Callable[[Manifest, Manifest | None], None]

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])


class Kind(StrEnum):
    """The kinds that are watched."""

    WORKSPACE = "Workspace"
    FLAVOR = "Flavor"
    JOB = "Job"
    RUN = "Run"
    WAREHOUSE = "Warehouse"
    POD = "Pod"


MODELS: dict[str, type[Resource[Any, Any]]] = {
    Kind.WORKSPACE: Workspace,
    Kind.FLAVOR: Flavor,
    Kind.JOB: Job,
    Kind.RUN: Run,
    Kind.WAREHOUSE: Warehouse,
}
POD_OWNERS = (Kind.RUN, Kind.WAREHOUSE, Kind.WORKSPACE)

_ENDED = frozenset(phase.value for phase in RunPhase if phase.is_terminal)
_WATCHED = frozenset(kind.value for kind in Kind)


class Entry:
    """One cached object; its model is made when first asked for, once per version."""

    __slots__ = ("_model", "_tried", "manifest", "uid", "version")

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.uid: str = manifest["metadata"]["uid"]
        self.version = version_of(manifest)
        self._model: Resource[Any, Any] | None = None
        self._tried = False

    @property
    def model(self) -> Resource[Any, Any] | None:
        if not self._tried:
            self._tried = True
            try:
                self._model = MODELS[self.manifest["kind"]].model_validate(self.manifest)
            except ValidationError as error:
                log.error(
                    "%s %s/%s is not as its definition says: %s", self.manifest["kind"], *key_of(self.manifest), error
                )
        return self._model


class World:
    """The cached snapshot. Reading never waits; what is returned must not be changed in place."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` returns seconds, for the ages in `watch_age`."""
        self._clock = clock
        self._entries: dict[str, dict[tuple[str, str], Entry]] = {kind: {} for kind in Kind}
        self._pods_by_owner: dict[str, dict[str, Entry]] = defaultdict(dict)
        self._by_namespace: dict[tuple[str, str], dict[str, Entry]] = defaultdict(dict)
        self._unfinished: dict[str, dict[str, Entry]] = defaultdict(dict)
        self._awaited: dict[str, dict[tuple[str, str], tuple[int, float]]] = {kind: {} for kind in Kind}
        self._heard: dict[str, float] = {}
        self._written: list[WriteListener] = []

    def on_write(self, listener: WriteListener) -> None:
        """Have `listener` called with each newer object that a write of ours returned, and what was known before."""
        self._written.append(listener)

    # Reading

    def workspace(self, name: str) -> Workspace | None:
        """Return the Workspace of this name."""
        return self._model(Workspace, "", name)

    def workspace_of_namespace(self, namespace: str) -> Workspace | None:
        """Return the Workspace that a namespace belongs to."""
        slug = workspace_of(namespace)
        return self.workspace(slug) if slug else None

    def workspaces(self) -> list[Workspace]:
        """Return every Workspace, by name."""
        return self._models(Workspace)

    def flavor(self, name: str) -> Flavor | None:
        """Return the Flavor of this name."""
        return self._model(Flavor, "", name)

    def job(self, namespace: str, name: str) -> Job | None:
        """Return the Job of this name."""
        return self._model(Job, namespace, name)

    def jobs(self, namespace: str | None = None) -> list[Job]:
        """Return the Jobs of a namespace, or all."""
        return self._models(Job, namespace)

    def run(self, namespace: str, name: str) -> Run | None:
        """Return the Run of this name."""
        return self._model(Run, namespace, name)

    def runs(self, namespace: str | None = None) -> list[Run]:
        """Return the Runs of a namespace, or all, by name."""
        return self._models(Run, namespace)

    def unfinished_runs(self, namespace: str | None = None) -> list[Run]:
        """Return the Runs of a namespace, or all, that have not ended; their number does not grow with history."""
        found = self._unfinished.get(namespace, {}).values() if namespace is not None else self._all_unfinished()
        return [entry.model for entry in found if isinstance(entry.model, Run)]

    def warehouse(self, namespace: str, name: str) -> Warehouse | None:
        """Return the Warehouse of this name."""
        return self._model(Warehouse, namespace, name)

    def warehouses(self, namespace: str | None = None) -> list[Warehouse]:
        """Return the Warehouses of a namespace, or all, by name."""
        return self._models(Warehouse, namespace)

    def pod(self, namespace: str, name: str) -> Manifest | None:
        """Return the pod of this name, of a task or of a warehouse."""
        entry = self._entries[Kind.POD].get((namespace, name))
        return entry.manifest if entry else None

    def pods_of(self, uid: str) -> list[Manifest]:
        """Return the pods that the Run, Warehouse or Workspace with this uid owns."""
        return [entry.manifest for entry in self._pods_by_owner.get(uid, {}).values()]

    def manifests(self, kind: str, namespace: str) -> list[Manifest]:
        """Return the objects of a kind in a namespace, as the API serves them: cheaper than their models."""
        return [entry.manifest for entry in self._by_namespace.get((kind, namespace), {}).values()]

    def names(self, kind: str) -> list[tuple[str, str]]:
        """Return (namespace, name) of every cached object of a kind; the namespace is "" for cluster-scoped kinds."""
        return list(self._entries[kind])

    # Being told

    def record(self, manifest: Manifest) -> None:
        """Take in what a write of ours returned; from now on the watch owes us this version."""
        kind = manifest.get("kind", "")
        if kind not in _WATCHED:
            return
        known = self._entries[kind].get(key_of(manifest))
        if self._put(manifest):
            self._await(manifest)
            for listener in self._written:
                listener(manifest, known.manifest if known else None)

    def observe(self, event: str | None, manifest: Manifest) -> bool:
        """Take in a watch event.

        Args:
            event: ADDED, MODIFIED, DELETED, or None for an object of the watch's initial list.
            manifest: the object.

        Returns:
            Whether it told anything new.
        """
        kind = manifest["kind"]
        self._heard[kind] = self._clock()
        key = key_of(manifest)
        awaited = self._awaited[kind].get(key)
        if awaited and (event == "DELETED" or version_of(manifest) >= awaited[0]):
            del self._awaited[kind][key]
        if event == "DELETED":
            return self._remove(kind, key, manifest["metadata"]["uid"])
        return self._put(manifest)

    def replace(self, kind: str, manifests: Iterable[Manifest], version: str) -> None:
        """Take in a complete fresh list of a kind, made at this resourceVersion.

        What it shows newer than the watch did, the watch owes us from now on.
        """
        listed = {}
        for manifest in manifests:
            listed[key_of(manifest)] = manifest["metadata"]["uid"]
            if self._put(manifest) and kind in self._heard:
                self._await(manifest)
        for key, entry in list(self._entries[kind].items()):
            if listed.get(key) != entry.uid and entry.version <= int(version):
                self._remove(kind, key, entry.uid)
        self._heard[kind] = self._clock()

    def forget(self, kind: str, namespace: str | None, name: str, uid: str | None) -> None:
        """Drop an object of which the API just said that it is gone."""
        if kind in _WATCHED:
            entry = self._entries[kind].get((namespace or "", name))
            if entry and uid in (None, entry.uid):
                self._remove(kind, (namespace or "", name), entry.uid)

    # Whether the watches live

    def watch_age(self, kind: str) -> float:
        """Return for how many seconds the watch of a kind has not proven to be alive.

        Proof is an event, or a fresh list that agrees with what the watch told. As long as the watch owes us something,
        only its delivery counts.
        """
        now = self._clock()
        oldest = min((since for _, since in self._awaited[kind].values()), default=None)
        return now - (self._heard.get(kind, float("-inf")) if oldest is None else oldest)

    # Inside

    def _all_unfinished(self) -> Iterator[Entry]:
        return (entry for entries in self._unfinished.values() for entry in entries.values())

    def _put(self, manifest: Manifest) -> bool:
        kind, key = manifest["kind"], key_of(manifest)
        known = self._entries[kind].get(key)
        if known and known.version >= version_of(manifest):
            return False
        if known and known.uid != manifest["metadata"]["uid"]:
            self._remove(kind, key, known.uid)
        elif known and kind == Kind.POD and (owner := pod_owner(known.manifest)):
            # A sandbox that a workload claims passes from its Workspace to the Run.
            _discard(self._pods_by_owner, owner.uid, key[1])
        entry = Entry(manifest)
        self._entries[kind][key] = entry
        self._by_namespace[kind, key[0]][key[1]] = entry
        if kind == Kind.POD and (owner := pod_owner(manifest)):
            self._pods_by_owner[owner.uid][key[1]] = entry
        if kind == Kind.RUN and _has_ended(manifest):
            _discard(self._unfinished, key[0], key[1])
        elif kind == Kind.RUN:
            self._unfinished[key[0]][key[1]] = entry
        return True

    def _remove(self, kind: str, key: tuple[str, str], uid: str) -> bool:
        entry = self._entries[kind].get(key)
        if entry is None or entry.uid != uid:
            return False
        del self._entries[kind][key]
        self._awaited[kind].pop(key, None)
        _discard(self._by_namespace, (kind, key[0]), key[1])
        if kind == Kind.RUN:
            _discard(self._unfinished, key[0], key[1])
        if kind == Kind.POD and (owner := pod_owner(entry.manifest)):
            _discard(self._pods_by_owner, owner.uid, key[1])
        return True

    def _await(self, manifest: Manifest) -> None:
        kind, key = manifest["kind"], key_of(manifest)
        _, since = self._awaited[kind].get(key, (0, self._clock()))
        self._awaited[kind][key] = (version_of(manifest), since)

    def _model(self, model: type[ResourceT], namespace: str, name: str) -> ResourceT | None:
        entry = self._entries[model.KIND].get((namespace, name))
        return entry.model if entry and isinstance(entry.model, model) else None

    def _models(self, model: type[ResourceT], namespace: str | None = None) -> list[ResourceT]:
        if namespace is None:
            found = [entry for _, entry in sorted(self._entries[model.KIND].items(), key=lambda item: item[0])]
        else:
            found = [entry for _, entry in sorted(self._by_namespace.get((model.KIND, namespace), {}).items())]
        return [entry.model for entry in found if isinstance(entry.model, model)]


def key_of(manifest: Manifest) -> tuple[str, str]:
    """Return (namespace or "", name) of an object."""
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(manifest: Manifest) -> int:
    """Return the resourceVersion as a number: within one kind, a later version is a greater one (KEP-5504)."""
    return int(manifest["metadata"]["resourceVersion"])


class Owner(NamedTuple):
    """Who owns a pod."""

    kind: Kind
    name: str
    uid: str


def pod_owner(pod: Manifest) -> Owner | None:
    """Return the Run, Warehouse or Workspace that owns a pod."""
    return next((Owner(kind, *found) for kind in POD_OWNERS for found in owners(pod, kind)), None)


def owners(manifest: Manifest, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (name, uid) of each owner of this kind."""
    for reference in manifest["metadata"].get("ownerReferences") or []:
        if reference["kind"] == kind:
            yield reference["name"], reference["uid"]


def _has_ended(run: Manifest) -> bool:
    phase = (run.get("status") or {}).get("phase", RunPhase.PENDING)
    return phase in _ENDED


def _discard(index: dict[Any, dict[str, Entry]], outer: Any, inner: str) -> None:
    entries = index.get(outer, {})
    entries.pop(inner, None)
    if not entries:
        index.pop(outer, None)

"""The registry of reconcilers, and of which keys an event of another object concerns.

A controller is registered once, at start:

    controllers.register(Kind.JOB, reconcile_job)         # called with a Key whenever that Job may have changed
    controllers.relate(Kind.RUN, lambda run: [Key(Kind.JOB, …)])  # an event of a Run may change a Job
    controllers.serve(archiver.run)                        # runs as long as the operator does
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any

from icefield_kube.client import Manifest

from .cluster_cache import WATCHED_KINDS, ClusterCache, Kind, key_of
from .queue import Key, Reconcile, WorkQueue

Relation = Callable[[Manifest], Iterable[Key]]
"""From an object of one kind to the keys of what its change may concern; quick, and without side effects."""

Export = Callable[[ClusterCache], None]
"""Sets metrics from the snapshot, just before they are scraped."""

Service = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs until cancelled; that it ends or raises ends the operator."""


class Controllers:
    """The registry, with the one queue that all kinds share."""

    def __init__(self, cache: ClusterCache, workers: int = 16) -> None:
        """Make an empty registry over the view that events are taken into."""
        self.cache = cache
        self.queue = WorkQueue(self._reconcile, workers)
        self.services: list[Service] = []
        self.exports: list[Export] = []
        self._reconcilers: dict[str, Reconcile] = {}
        self._named_after: dict[str, str] = {}
        self._relations: dict[str, list[Relation]] = defaultdict(list)
        cache.on_write(self._written)

    def register(self, kind: str, reconcile: Reconcile, *, names_of: str | None = None) -> None:
        """Have `reconcile` called for every object of a kind that may have changed, deleted ones included.

        Args:
            kind: the kind of the keys.
            reconcile: one pass over a key.
            names_of: for keys of something that is no object itself: the kind whose objects have one each.
        """
        if (names_of or kind) not in WATCHED_KINDS:
            raise ValueError(f"{names_of or kind} is not watched")
        if kind in self._reconcilers:
            raise ValueError(f"{kind} has a reconciler already")
        self._reconcilers[kind] = reconcile
        self._named_after[kind] = names_of or kind

    def relate(self, kind: str, relation: Relation) -> None:
        """Have an event of this kind enqueue other keys too."""
        self._relations[kind].append(relation)

    def serve(self, service: Service) -> None:
        """Run something beside the queue for as long as the operator runs."""
        self.services.append(service)

    def export(self, export: Export) -> None:
        """Have metrics set from the snapshot whenever they are scraped."""
        self.exports.append(export)

    def enqueue(self, key: Key, after: timedelta | None = None) -> None:
        """Ask for a pass over a key, from outside of any event."""
        if key.kind not in self._reconcilers:
            return
        if after is None:
            self.queue.add(key)
        else:
            self.queue.add_after(key, after)

    def handle(self, event: str | None, manifest: Manifest) -> None:
        """Store a watch event and enqueue whatever it concerns; one that changes nothing enqueues nothing."""
        if self.cache.observe(event, manifest):
            self.enqueue(Key(manifest["kind"], *key_of(manifest)))
            self._enqueue_related(manifest)

    def enqueue_all(self) -> None:
        """Enqueue every cached object (the resync), a Workspace before what is in it."""
        for kind, named_after in sorted(self._named_after.items(), key=lambda pair: WATCHED_KINDS.index(pair[1])):
            for namespace, name in self.cache.names(named_after):
                self.queue.add(Key(kind, namespace, name))

    def _written(self, manifest: Manifest, before: Manifest | None) -> None:
        if before and before["metadata"].get("generation") != manifest["metadata"].get("generation"):
            # Another client changed the spec meanwhile; the watch will deliver a version that the cache has already.
            self.enqueue(Key(manifest["kind"], *key_of(manifest)))
        # The pass that wrote it needs no other, and a pod is written by the pass over its Run.
        if manifest["kind"] != Kind.POD:
            self._enqueue_related(manifest)

    def _enqueue_related(self, manifest: Manifest) -> None:
        for relation in self._relations[manifest["kind"]]:
            for key in relation(manifest):
                self.enqueue(key)

    async def _reconcile(self, key: Key) -> timedelta | None:
        return await self._reconcilers[key.kind](key)

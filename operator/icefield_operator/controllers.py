"""Where each kind's reconcile is plugged in, and what an event of one object means for others.

A controller is registered once, at start:

    controllers.register(Kind.JOB, reconcile_job)         # called with a Key whenever that Job may have changed
    controllers.relate(Kind.RUN, lambda run: [Key(Kind.JOB, …)])  # an event of a Run may change how a Job stands
    controllers.serve(archiver.run)                        # runs as long as the operator does
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any

from .queue import Key, Reconcile, WorkQueue
from .world import Kind, Manifest, World, key_of

Relation = Callable[[Manifest], Iterable[Key]]
"""From an object of one kind to the keys of what its change may concern; quick, and without side effects."""

Service = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs until cancelled; that it ends or raises ends the operator."""


class Controllers:
    """The registry, with the one queue that all kinds share."""

    def __init__(self, world: World, workers: int = 16) -> None:
        """Make an empty registry over the view that events are taken into."""
        self.world = world
        self.queue = WorkQueue(self._reconcile, workers)
        self.services: list[Service] = []
        self._reconcilers: dict[str, Reconcile] = {}
        self._named_after: dict[str, Kind] = {}
        self._relations: dict[str, list[Relation]] = defaultdict(list)
        world.on_write(self._written)

    def register(self, kind: str, reconcile: Reconcile, *, names_of: Kind | None = None) -> None:
        """Have `reconcile` called for every object of a kind that may have changed, deleted ones included.

        Args:
            kind: the kind of the keys.
            reconcile: one pass over a key.
            names_of: for keys of something that is no object itself: the kind whose objects have one each.
        """
        if kind in self._reconcilers:
            raise ValueError(f"{kind} has a reconciler already")
        self._reconcilers[kind] = reconcile
        self._named_after[kind] = names_of or Kind(kind)

    def relate(self, kind: Kind, relation: Relation) -> None:
        """Have an event of this kind enqueue other keys too."""
        self._relations[kind].append(relation)

    def serve(self, service: Service) -> None:
        """Run something beside the queue for as long as the operator runs."""
        self.services.append(service)

    def enqueue(self, key: Key, after: timedelta | None = None) -> None:
        """Ask for a pass over a key, from outside of any event."""
        if key.kind not in self._reconcilers:
            return
        if after is None:
            self.queue.add(key)
        else:
            self.queue.add_after(key, after)

    def handle(self, event: str | None, manifest: Manifest) -> None:
        """Take in a watch event and enqueue whatever it concerns; says nothing new, enqueues nothing."""
        if self.world.observe(event, manifest):
            self.enqueue(Key(manifest["kind"], *key_of(manifest)))
            self._enqueue_related(manifest)

    def enqueue_all(self) -> None:
        """Enqueue every cached object (the resync)."""
        for kind, named_after in self._named_after.items():
            for namespace, name in self.world.names(named_after):
                self.queue.add(Key(kind, namespace, name))

    def _written(self, manifest: Manifest, before: Manifest | None) -> None:
        if before and before["metadata"].get("generation") != manifest["metadata"].get("generation"):
            # Somebody changed the spec meanwhile; the watch will bring a version that is no news any more.
            self.enqueue(Key(manifest["kind"], *key_of(manifest)))
        # Whoever wrote it knows it already, and a pod is written by the pass over its Run: only others are told.
        if manifest["kind"] != Kind.POD:
            self._enqueue_related(manifest)

    def _enqueue_related(self, manifest: Manifest) -> None:
        for relation in self._relations[manifest["kind"]]:
            for key in relation(manifest):
                self.enqueue(key)

    async def _reconcile(self, key: Key) -> timedelta | None:
        return await self._reconcilers[key.kind](key)

"""The registry of reconcilers, and of which keys an event of another object concerns.

A controller is registered once, at start:

    controllers.register(Kind.JOB, reconcile_job)         # called with a Key whenever that Job may have changed
    controllers.relate(Kind.RUN, lambda run: [Key(Kind.JOB, …)])  # an event of a Run may change a Job
    controllers.serve(archiver.run)                        # runs as long as the operator does
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Set
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from icefield_kube.client import Manifest

from .cluster_cache import WATCHED_KINDS, ClusterCache, key_of
from .queue import Key, Reconcile, WorkQueue

Relation = Callable[[Manifest], Iterable[Key]]
"""From an object of one kind to the keys of what its change may concern; quick, and without side effects."""

Export = Callable[[ClusterCache], None]
"""Sets metrics from the snapshot, just before they are scraped."""

Service = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs until cancelled; that it ends or raises ends the operator."""

ORDERS = ("generation", "annotations", "labels")
"""Fields of metadata that others change to have something done; a status write of ours leaves them alone."""


@dataclass
class _Pass:
    """A pass over a key; what it started may outlive it."""

    key: Key
    in_progress: bool = True


_current: ContextVar[_Pass | None] = ContextVar("pass", default=None)


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
        cache.on_unwatched_change(self._enqueue_unwatched)

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
            self._enqueue_changed(manifest)

    def handle_list(self, kind: str, listed: Set[str], version: int) -> None:
        """Drop what the list does not have that a watch of a kind starts over with, and enqueue what that concerns.

        Args:
            kind: the kind listed.
            listed: metadata.uid of each object of the list; each was handled.
            version: resourceVersion of the list.
        """
        for manifest in self.cache.start_over(kind, listed, version):
            self._enqueue_changed(manifest)

    def enqueue_all(self) -> None:
        """Enqueue every cached object that can still change (the resync), a Workspace before what is in it."""
        for kind, named_after in sorted(self._named_after.items(), key=lambda pair: WATCHED_KINDS.index(pair[1])):
            for namespace, name in self.cache.names_to_resync(named_after):
                self.queue.add(Key(kind, namespace, name))

    def _enqueue_unwatched(self, old: Manifest | None, new: Manifest | None) -> None:
        """Enqueue whatever a change concerns that no event will report, save the pass that made it: it knows."""
        manifest = new or old or {}
        changed = Key(manifest["kind"], *key_of(manifest))
        current = _current.get()
        informed = current.key if current and current.in_progress else None
        # What others changed of the pass's own object meanwhile, the answer to its write may be the first to show.
        if changed != informed or _has_new_orders(old, new):
            self.enqueue(changed)
        for key in self._related(manifest):
            if key != informed:
                self.enqueue(key)

    def _enqueue_changed(self, manifest: Manifest) -> None:
        self.enqueue(Key(manifest["kind"], *key_of(manifest)))
        for key in self._related(manifest):
            self.enqueue(key)

    def _related(self, manifest: Manifest) -> Iterator[Key]:
        for relation in self._relations[manifest["kind"]]:
            yield from relation(manifest)

    async def _reconcile(self, key: Key) -> timedelta | None:
        current = _Pass(key)
        token = _current.set(current)
        try:
            return await self._reconcilers[key.kind](key)
        finally:
            current.in_progress = False
            _current.reset(token)


def _has_new_orders(old: Manifest | None, new: Manifest | None) -> bool:
    if old is None or new is None:
        return False
    return any(old["metadata"].get(field) != new["metadata"].get(field) for field in ORDERS)

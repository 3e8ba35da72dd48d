"""The resources of one kind in memory, in order and by every key that requests use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from icefield_crds.meta import Resource
from icefield_kube.store import Identity, OrderedGroups, SortKey, VersionedStore

R = TypeVar("R", bound=Resource[Any, Any])


@dataclass(frozen=True)
class Indexing(Generic[R]):
    """How a store arranges its kind.

    Attributes:
        sort_key: the order of lists, of values that JSON can carry; the uid is appended to it.
        groups: names of further lists in which a resource is found, besides its namespace.
    """

    sort_key: Callable[[R], SortKey]
    groups: Callable[[R], Iterable[str]] = lambda _: ()


@dataclass(frozen=True)
class WatchedKind(Generic[R]):
    """A kind that the API server watches, and how its resources are arranged."""

    model: type[R]
    indexing: Indexing[R]


class Store(VersionedStore[R]):
    """The newest known version of each resource of one kind.

    Args:
        indexing: how the kind is arranged.
    """

    def __init__(self, indexing: Indexing[R]) -> None:
        def groups_of(resource: R) -> set[str]:
            return {resource.metadata.namespace or "", *indexing.groups(resource)}

        self._ordered = OrderedGroups(indexing.sort_key, groups_of)
        self._public_ids = _PublicIds()
        self._listeners = _Listeners()
        super().__init__(identity_of, (self._ordered, self._public_ids, self._listeners))

    def by_public_id(self, namespace: str | None, public_id: str) -> R | None:
        """Return the resource with this public id, such as run_0123456789ab, in a namespace, or None."""
        uid = self._public_ids.uids.get((namespace or "", public_id))
        return self.by_uid(uid) if uid else None

    def walk(self, group: str, after: SortKey | None = None) -> Iterator[tuple[SortKey, R]]:
        """Yield (key, resource) of a namespace or another group in order, those after a key only.

        The store must not change meanwhile: walk without awaiting.
        """
        for key in self._ordered.keys(group, after):
            if (resource := self.by_uid(key[-1])) is not None:
                yield key, resource

    def count(self, group: str) -> int:
        """Return how many resources a group has."""
        return self._ordered.count(group)

    @contextmanager
    def listening(self, uid: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the resource with this metadata.uid changes or goes; clear it yourself."""
        event = self._listeners.add(uid)
        try:
            yield event
        finally:
            self._listeners.discard(uid, event)


class _PublicIds:
    """From namespace and public id to metadata.uid."""

    def __init__(self) -> None:
        self.uids: dict[tuple[str, str], str] = {}

    def update(self, uid: str, old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> None:
        if old is None and new is not None:
            self.uids[new.metadata.namespace or "", new.public_id] = uid
        elif old is not None and new is None:
            del self.uids[old.metadata.namespace or "", old.public_id]


class _Listeners:
    """Events that are set when a resource changes."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    def update(self, uid: str, old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> None:
        for event in self._events.get(uid, ()):
            event.set()

    def add(self, uid: str) -> asyncio.Event:
        event = asyncio.Event()
        self._events.setdefault(uid, set()).add(event)
        return event

    def discard(self, uid: str, event: asyncio.Event) -> None:
        events = self._events.get(uid, set())
        events.discard(event)
        if not events:
            self._events.pop(uid, None)


def identity_of(resource: Resource[Any, Any]) -> Identity:
    """Return what tells a resource, and a version of it, from others."""
    metadata = resource.metadata
    return Identity(metadata.uid, metadata.namespace or "", metadata.name, int(metadata.resource_version or 0))

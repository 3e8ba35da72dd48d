"""The resources of one kind in memory, in order and by every key that requests use."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from cachetools import LRUCache

from icefield_crds.meta import Resource
from icefield_kube.store import Identity, OrderedGroups, SortKey, VersionedStore

R = TypeVar("R", bound=Resource[Any, Any])

UNPACKED = 1024
"""How many packed resources are kept as models too: those that were read last."""
_FASTEST = 1


def _nothing(_: Any) -> None:
    return None


@dataclass(frozen=True)
class Indexing(Generic[R]):
    """How a store arranges its kind.

    Attributes:
        sort_key: the order of lists, of values that JSON can carry; the uid is appended to it.
        groups: names of further lists in which a resource is found, besides its namespace.
        summary: returns what is kept of a resource that is hardly ever read, for `Store.summaries`: the resource itself
            is then kept as compressed JSON, a twelfth of its size. None for one that is kept as it is.
    """

    sort_key: Callable[[R], SortKey]
    groups: Callable[[R], Iterable[str]] = lambda _: ()
    summary: Callable[[R], Any] = _nothing


@dataclass(frozen=True)
class WatchedKind(Generic[R]):
    """A kind that the API server watches, and how its resources are arranged."""

    model: type[R]
    indexing: Indexing[R]


class Store(Generic[R]):
    """The newest known version of each resource of one kind.

    Args:
        model: the kind.
        indexing: how the kind is arranged.
    """

    def __init__(self, model: type[R], indexing: Indexing[R]) -> None:
        self._model = model
        self._indexing = indexing
        self._ordered: OrderedGroups[_Entry] = OrderedGroups(_sort_key_of, _groups_of)
        self._public_ids = _PublicIds()
        self._listeners = _Listeners()
        self._entries: VersionedStore[_Entry] = VersionedStore(
            _identity_of, (self._ordered, self._public_ids, self._listeners)
        )
        self._unpacked: LRUCache[Identity, R] = LRUCache(UNPACKED)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name, or None."""
        return self._resource(self._entries.get(namespace, name))

    def by_uid(self, uid: str) -> R | None:
        """Return the resource with this metadata.uid, or None."""
        return self._resource(self._entries.by_uid(uid))

    def by_public_id(self, namespace: str | None, public_id: str) -> R | None:
        """Return the resource with this public id, such as run_0123456789ab, in a namespace, or None."""
        uid = self._public_ids.uids.get((namespace or "", public_id))
        return self.by_uid(uid) if uid else None

    def all(self) -> list[R]:
        """Return every resource, in no order."""
        return [resource for entry in self._entries.all() if (resource := self._resource(entry))]

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

    def summaries(self) -> list[Any]:
        """Return the summary (`Indexing.summary`) of each resource that has one, in no order."""
        return [entry.summary for entry in self._entries.all() if entry.summary is not None]

    def put(self, resource: R) -> bool:
        """Store a resource, unless the same or a newer version is stored or it is known to be deleted.

        Returns:
            Whether it was stored.
        """
        return self._entries.put(_Entry(resource, self._indexing))

    def remove(self, uid: str, version: int | None = None) -> bool:
        """Forget a resource that is gone, as of a resourceVersion or for ever; return whether it was stored."""
        return self._entries.remove(uid, version)

    def retain(self, listed: Set[str], version: int) -> None:
        """Forget what a complete list made at a resourceVersion does not have, by uid, and what is not newer."""
        self._entries.retain(listed, version)

    @contextmanager
    def listening(self, uid: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the resource with this metadata.uid changes or goes; clear it yourself."""
        event = self._listeners.add(uid)
        try:
            yield event
        finally:
            self._listeners.discard(uid, event)

    def _resource(self, entry: _Entry | None) -> R | None:
        if entry is None:
            return None
        if not isinstance(entry.content, bytes):
            return cast(R, entry.content)
        unpacked = self._unpacked.get(entry.identity)
        if unpacked is None:
            unpacked = self._model.model_validate_json(zlib.decompress(entry.content))
            self._unpacked[entry.identity] = unpacked
        return unpacked


class _Entry:
    """A resource, as compressed JSON where it has a summary, and what the indexes read of it."""

    __slots__ = ("content", "groups", "identity", "public_id", "sort_key", "summary")

    def __init__(self, resource: Resource[Any, Any], indexing: Indexing[Any]) -> None:
        self.identity = identity_of(resource)
        self.public_id = resource.public_id
        self.sort_key = indexing.sort_key(resource)
        self.groups = frozenset((resource.metadata.namespace or "", *indexing.groups(resource)))
        self.summary = indexing.summary(resource)
        self.content: Resource[Any, Any] | bytes = resource
        if self.summary is not None:
            self.content = zlib.compress(resource.model_dump_json(by_alias=True, exclude_none=True).encode(), _FASTEST)


def _identity_of(entry: _Entry) -> Identity:
    return entry.identity


def _sort_key_of(entry: _Entry) -> SortKey:
    return entry.sort_key


def _groups_of(entry: _Entry) -> frozenset[str]:
    return entry.groups


class _PublicIds:
    """From namespace and public id to metadata.uid."""

    def __init__(self) -> None:
        self.uids: dict[tuple[str, str], str] = {}

    def update(self, uid: str, old: _Entry | None, new: _Entry | None) -> None:
        if old is None and new is not None:
            self.uids[new.identity.namespace, new.public_id] = uid
        elif old is not None and new is None:
            del self.uids[old.identity.namespace, old.public_id]


class _Listeners:
    """Events that are set when a resource changes."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    def update(self, uid: str, old: _Entry | None, new: _Entry | None) -> None:
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

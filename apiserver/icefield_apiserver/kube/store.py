"""The resources of one kind, in memory, in order and by every key they are asked for.

Kubernetes' order of things is the resourceVersion: a store never goes back to an older one, and never brings back
what was deleted (a uid is never used twice).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from icefield_crds.meta import Resource

R = TypeVar("R", bound=Resource[Any, Any])
Key = tuple[Any, ...]
"""Where a resource stands in its order; its last element is the uid, so no two are equal."""

_REMEMBERED_DELETIONS = 4096


@dataclass(frozen=True)
class Order(Generic[R]):
    """How a store arranges its kind.

    Attributes:
        key: the sort key, of values that JSON can carry; the uid is appended to it.
        groups: names of further lists in which a resource is found, besides its namespace.
    """

    key: Callable[[R], Key]
    groups: Callable[[R], Iterable[str]] = lambda _: ()


class Store(Generic[R]):
    """An index over one kind.

    Args:
        order: how the kind is arranged.
    """

    def __init__(self, order: Order[R]) -> None:
        self._order = order
        self._by_uid: dict[str, R] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._by_public_id: dict[tuple[str, str], str] = {}
        self._groups: dict[str, list[Key]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name, or None."""
        uid = self._by_name.get((namespace or "", name))
        return self._by_uid[uid] if uid else None

    def by_public_id(self, namespace: str | None, public_id: str) -> R | None:
        """Return the resource with this public id, such as run_0123456789ab, in a namespace, or None."""
        uid = self._by_public_id.get((namespace or "", public_id))
        return self._by_uid[uid] if uid else None

    def by_uid(self, uid: str) -> R | None:
        """Return the resource with this metadata.uid, or None."""
        return self._by_uid.get(uid)

    def all(self) -> list[R]:
        """Return every resource, in no order."""
        return list(self._by_uid.values())

    def walk(self, group: str, after: Key | None = None) -> Iterator[tuple[Key, R]]:
        """Yield (key, resource) of a namespace or another group in order, beginning after a key.

        The store must not change meanwhile: walk without awaiting.
        """
        keys = self._groups.get(group, [])
        for index in range(bisect_right(keys, after) if after else 0, len(keys)):
            yield keys[index], self._by_uid[keys[index][-1]]

    def count(self, group: str) -> int:
        """Return how many resources a group has."""
        return len(self._groups.get(group, ()))

    @contextmanager
    def listening(self, uid: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the resource with this metadata.uid changes or goes; clear it yourself."""
        event = asyncio.Event()
        listeners = self._listeners.setdefault(uid, set())
        listeners.add(event)
        try:
            yield event
        finally:
            listeners.discard(event)
            if not listeners:
                self._listeners.pop(uid, None)

    def put(self, resource: R) -> bool:
        """Take in a resource, unless a newer version of it is here or it is known to be deleted.

        Returns:
            Whether it was taken in.
        """
        uid = resource.metadata.uid
        if uid in self._deleted:
            return False
        known = self._by_uid.get(uid)
        if known and version_of(known) >= version_of(resource):
            return False
        name = (resource.metadata.namespace or "", resource.metadata.name)
        namesake = self._by_uid.get(self._by_name.get(name, ""))
        if namesake and namesake.metadata.uid != uid:
            if version_of(namesake) > version_of(resource):
                return False
            self.remove(namesake.metadata.uid)
        if known:
            self._take_out(known)
        self._by_uid[uid] = resource
        self._by_name[name] = uid
        self._by_public_id[(name[0], resource.public_id)] = uid
        for group in self._groups_of(resource):
            insort(self._groups.setdefault(group, []), self._key(resource))
        self._tell(uid)
        return True

    def remove(self, uid: str) -> None:
        """Forget a deleted resource for good."""
        self._deleted[uid] = None
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        if known := self._by_uid.get(uid):
            self._take_out(known)
            self._tell(uid)

    def replace(self, resources: Iterable[R], version: int) -> None:
        """Take in a complete list made at a resourceVersion; what is missing in it, and not newer, is deleted."""
        listed = set()
        for resource in resources:
            listed.add(resource.metadata.uid)
            self.put(resource)
        gone = [uid for uid, known in self._by_uid.items() if uid not in listed and version_of(known) <= version]
        for uid in gone:
            self.remove(uid)

    def _tell(self, uid: str) -> None:
        for event in self._listeners.get(uid, ()):
            event.set()

    def _take_out(self, resource: R) -> None:
        uid, namespace = resource.metadata.uid, resource.metadata.namespace or ""
        del self._by_uid[uid]
        del self._by_name[(namespace, resource.metadata.name)]
        del self._by_public_id[(namespace, resource.public_id)]
        key = self._key(resource)
        for group in self._groups_of(resource):
            keys = self._groups[group]
            del keys[bisect_left(keys, key)]
            if not keys:
                del self._groups[group]

    def _groups_of(self, resource: R) -> set[str]:
        return {resource.metadata.namespace or "", *self._order.groups(resource)}

    def _key(self, resource: R) -> Key:
        return (*self._order.key(resource), resource.metadata.uid)


def version_of(resource: Resource[Any, Any]) -> int:
    """Return the resourceVersion as the number that it is, so that older and newer can be told apart."""
    return int(resource.metadata.resource_version or 0)

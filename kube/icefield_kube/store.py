"""The objects of one kind in memory, with indexes.

Kubernetes orders the versions of a kind by resourceVersion: a store never returns to an older one. Indexes are kept as
client-go's informers keep theirs: each change of an object updates them.

What is gone has a version too, that of its deletion. A late answer to a write, or a page of a list that was started
earlier, does not bring it back; a later version does, as of an object that a label selector matches again.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
SortKey = tuple[Any, ...]
"""Where an object is in an ordered group; its last element is the uid, so no two are equal."""

REMEMBERED_DELETIONS = 8192
"""More than a cluster deletes of a kind while one list is received, or one write is answered; 2 MB at most."""


class Identity(NamedTuple):
    """What tells one object, and one version of it, from another."""

    uid: str
    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str
    version: int
    """metadata.resourceVersion: within one kind, a later version is a greater number (KEP-5504)."""


class Index(Protocol[T_contra]):
    """Something derived from the objects of a store."""

    def update(self, uid: str, old: T_contra | None, new: T_contra | None) -> None:
        """Follow one change: `old` is None for a new object, `new` for a deleted one."""


class VersionedStore(Generic[T]):
    """The newest known version of each object, by uid and by name.

    Args:
        identity_of: reads an object's identity.
        indexes: updated with each change.
        remembered_deletions: how many deleted objects are remembered, so that an older version does not return.
    """

    def __init__(
        self,
        identity_of: Callable[[T], Identity],
        indexes: Sequence[Index[T]] = (),
        remembered_deletions: int = REMEMBERED_DELETIONS,
    ) -> None:
        self._identity_of = identity_of
        self._indexes = list(indexes)
        self._remembered_deletions = remembered_deletions
        self._by_uid: dict[str, tuple[Identity, T]] = {}
        self._uids: dict[tuple[str, str], str] = {}
        self._deleted: OrderedDict[str, float] = OrderedDict()
        """The version as of which an object is gone, by uid; the latest deletion is the last."""
        self._listed_version = -1
        """What is not stored and no newer than this was missing in a complete list."""

    def __len__(self) -> int:
        return len(self._by_uid)

    def add_index(self, index: Index[T]) -> None:
        """Update one more index with each change, after those before it; it learns of what is stored at once."""
        for uid, (_, item) in self._by_uid.items():
            index.update(uid, None, item)
        self._indexes.append(index)

    def get(self, namespace: str | None, name: str) -> T | None:
        """Return the object of this name, or None."""
        uid = self._uids.get((namespace or "", name))
        return self._by_uid[uid][1] if uid else None

    def by_uid(self, uid: str) -> T | None:
        """Return the object with this metadata.uid, or None."""
        found = self._by_uid.get(uid)
        return found[1] if found else None

    def all(self) -> list[T]:
        """Return every object, in no order."""
        return [item for _, item in self._by_uid.values()]

    def names(self) -> list[tuple[str, str]]:
        """Return (namespace, name) of every object."""
        return list(self._uids)

    def put(self, item: T) -> bool:
        """Store an object, unless the same or a newer version is stored or it is known to be deleted.

        Returns:
            Whether it was stored.
        """
        identity = self._identity_of(item)
        uid, key = identity.uid, (identity.namespace, identity.name)
        known = self._by_uid.get(uid)
        if identity.version <= (known[0].version if known else self._gone_as_of(uid)):
            return False
        predecessor = self._uids.get(key)
        if predecessor and predecessor != uid:
            if self._by_uid[predecessor][0].version > identity.version:
                return False
            self.remove(predecessor)
        self._deleted.pop(uid, None)
        if known:
            del self._uids[known[0].namespace, known[0].name]
        self._by_uid[uid] = identity, item
        self._uids[key] = uid
        self._update_indexes(uid, known[1] if known else None, item)
        return True

    def remove(self, uid: str, version: int | None = None) -> bool:
        """Forget an object that is gone, unless a newer version of it is stored.

        Args:
            uid: its metadata.uid.
            version: the resourceVersion as of which it is gone; None when it is gone for ever, as no uid is used twice.

        Returns:
            Whether it was stored.
        """
        known = self._by_uid.get(uid)
        if known and version is not None and known[0].version > version:
            return False
        self._remember_deletion(uid, math.inf if version is None else version)
        if known is None:
            return False
        self._drop(uid)
        return True

    def retain(self, listed: Set[str], version: int) -> list[T]:
        """Remove what a complete list does not have, unless it is newer than the list.

        Args:
            listed: uids in the list.
            version: resourceVersion at which the list was made.

        Returns:
            What was removed.
        """
        missing = [
            uid for uid, (identity, _) in self._by_uid.items() if uid not in listed and identity.version <= version
        ]
        self._listed_version = max(self._listed_version, version)
        return [self._drop(uid) for uid in missing]

    def _gone_as_of(self, uid: str) -> float:
        """Return the newest version as of which an object that is not stored is known to be gone; -1 for none."""
        return max(self._deleted.get(uid, -1), self._listed_version)

    def _remember_deletion(self, uid: str, version: float) -> None:
        self._deleted[uid] = max(version, self._deleted.pop(uid, -1))
        while len(self._deleted) > self._remembered_deletions:
            self._deleted.popitem(last=False)

    def _drop(self, uid: str) -> T:
        identity, item = self._by_uid.pop(uid)
        del self._uids[identity.namespace, identity.name]
        self._update_indexes(uid, item, None)
        return item

    def _update_indexes(self, uid: str, old: T | None, new: T | None) -> None:
        for index in self._indexes:
            index.update(uid, old, new)


class GroupIndex(Generic[T]):
    """The objects of each group; a group may be a namespace, an owner's uid, a label's value.

    Args:
        groups_of: the groups of an object.
    """

    def __init__(self, groups_of: Callable[[T], Iterable[str]]) -> None:
        self._groups_of = groups_of
        self._groups: dict[str, dict[str, T]] = {}

    def update(self, uid: str, old: T | None, new: T | None) -> None:
        """Follow one change of the store."""
        groups = set(self._groups_of(new)) if new is not None else set()
        for group in set(self._groups_of(old)) - groups if old is not None else ():
            members = self._groups[group]
            del members[uid]
            if not members:
                del self._groups[group]
        if new is not None:
            for group in groups:
                self._groups.setdefault(group, {})[uid] = new

    def of(self, group: str) -> Collection[T]:
        """Return the objects of a group; the store must not change while they are iterated."""
        return self._groups.get(group, {}).values()

    def count(self) -> int:
        """Return how many objects the groups have together."""
        return sum(len(members) for members in self._groups.values())

    def all(self) -> Iterator[T]:
        """Yield the objects of every group."""
        return (item for members in self._groups.values() for item in members.values())


class OrderedGroups(Generic[T]):
    """The keys of each group's objects in order, for lists in pages.

    Args:
        key_of: the sort key of an object, of values that JSON can carry; the uid is appended to it.
        groups_of: the groups of an object.
    """

    def __init__(self, key_of: Callable[[T], SortKey], groups_of: Callable[[T], Iterable[str]]) -> None:
        self._key_of = key_of
        self._groups_of = groups_of
        self._groups: dict[str, list[SortKey]] = {}

    def update(self, uid: str, old: T | None, new: T | None) -> None:
        """Follow one change of the store."""
        before, after = self._places_of(uid, old), self._places_of(uid, new)
        for group, key in before - after:
            keys = self._groups[group]
            del keys[bisect_left(keys, key)]
            if not keys:
                del self._groups[group]
        for group, key in after - before:
            insort(self._groups.setdefault(group, []), key)

    def keys(self, group: str, after: SortKey | None = None) -> Iterator[SortKey]:
        """Yield the keys of a group in order, those after a key only; the store must not change meanwhile."""
        keys = self._groups.get(group, [])
        for index in range(bisect_right(keys, after) if after else 0, len(keys)):
            yield keys[index]

    def count(self, group: str) -> int:
        """Return how many objects a group has."""
        return len(self._groups.get(group, ()))

    def count_before(self, group: str, key: SortKey) -> int:
        """Return how many objects of a group come before a key."""
        return bisect_left(self._groups.get(group, ()), key)

    def last(self, group: str) -> SortKey | None:
        """Return the last key of a group; None when it has no object."""
        keys = self._groups.get(group)
        return keys[-1] if keys else None

    def _places_of(self, uid: str, item: T | None) -> set[tuple[str, SortKey]]:
        if item is None or not (groups := set(self._groups_of(item))):
            return set()
        key = (*self._key_of(item), uid)
        return {(group, key) for group in groups}


class GroupCounts(Generic[T]):
    """How many objects each group has.

    Args:
        groups_of: the groups of an object.
    """

    def __init__(self, groups_of: Callable[[T], Iterable[str]]) -> None:
        self._groups_of = groups_of
        self._counts: Counter[str] = Counter()

    def update(self, uid: str, old: T | None, new: T | None) -> None:
        """Follow one change of the store."""
        if new is not None:
            self._counts.update(set(self._groups_of(new)))
        for group in set(self._groups_of(old)) if old is not None else ():
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

    def count(self, group: str) -> int:
        """Return how many objects a group has."""
        return self._counts[group]

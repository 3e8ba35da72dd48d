"""The objects of one kind in memory, with indexes.

Kubernetes orders the versions of a kind by resourceVersion: a store never returns to an older one. Indexes are kept as
client-go's informers keep theirs: each change of an object updates them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
SortKey = tuple[Any, ...]
"""Where an object is in an ordered group; its last element is the uid, so no two are equal."""

REMEMBERED_DELETIONS = 4096


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
        remembered_deletions: how many deleted uids are remembered, so that a late older version does not return. Zero
            where an object may leave the selection and come back, as with a label selector.
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
        self._deleted: OrderedDict[str, None] = OrderedDict()

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
        if uid in self._deleted:
            return False
        known = self._by_uid.get(uid)
        if known and known[0].version >= identity.version:
            return False
        predecessor = self._uids.get(key)
        if predecessor and predecessor != uid:
            if self._by_uid[predecessor][0].version > identity.version:
                return False
            self.remove(predecessor)
        if known:
            del self._uids[known[0].namespace, known[0].name]
        self._by_uid[uid] = identity, item
        self._uids[key] = uid
        self._update_indexes(uid, known[1] if known else None, item)
        return True

    def remove(self, uid: str) -> bool:
        """Forget a deleted object; return whether it was stored."""
        self._deleted[uid] = None
        while len(self._deleted) > self._remembered_deletions:
            self._deleted.popitem(last=False)
        known = self._by_uid.pop(uid, None)
        if known is None:
            return False
        identity, item = known
        del self._uids[identity.namespace, identity.name]
        self._update_indexes(uid, item, None)
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
            (uid, item)
            for uid, (identity, item) in self._by_uid.items()
            if uid not in listed and identity.version <= version
        ]
        for uid, _ in missing:
            self.remove(uid)
        return [item for _, item in missing]

    def replace(self, items: Iterable[T], version: int) -> None:
        """Store a complete list made at a resourceVersion; what it does not have, and is not newer, is deleted."""
        listed = set()
        for item in items:
            listed.add(self._identity_of(item).uid)
            self.put(item)
        self.retain(listed, version)

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
        if old is not None:
            self._counts.subtract(set(self._groups_of(old)))
        if new is not None:
            self._counts.update(set(self._groups_of(new)))

    def count(self, group: str) -> int:
        """Return how many objects a group has."""
        return self._counts[group]

"""A store never returns to an older version, and its indexes follow each change."""

from __future__ import annotations

import random
from typing import NamedTuple

from icefield_kube.store import GroupCounts, GroupIndex, Identity, OrderedGroups, VersionedStore


class Thing(NamedTuple):
    """An object with a group."""

    uid: str
    version: int
    name: str = "a"
    group: str = "g"


def identity_of(thing: Thing) -> Identity:
    return Identity(thing.uid, "n", thing.name, thing.version)


class Site:
    """A store with every kind of index."""

    def __init__(self, remembered_deletions: int = 10) -> None:
        self.groups: GroupIndex[Thing] = GroupIndex(lambda thing: [thing.group])
        self.ordered: OrderedGroups[Thing] = OrderedGroups(lambda thing: (thing.name,), lambda thing: [thing.group])
        self.counts: GroupCounts[Thing] = GroupCounts(lambda thing: [thing.group])
        self.store = VersionedStore(identity_of, [self.groups, self.ordered], remembered_deletions)
        self.store.add_index(self.counts)

    def is_consistent(self) -> bool:
        """Return whether the indexes have exactly what the store has."""
        stored = self.store.all()
        return all(
            {thing.uid for thing in self.groups.of(group)}
            == {key[-1] for key in self.ordered.keys(group)}
            == {thing.uid for thing in stored if thing.group == group}
            and self.counts.count(group) == self.ordered.count(group) == len(self.groups.of(group))
            for group in {"g", "h", *(thing.group for thing in stored)}
        )


def test_a_newer_version_moves_between_groups() -> None:
    site = Site()
    assert site.store.put(Thing("u", 9))
    assert site.store.put(Thing("u", 10, group="h"))
    assert not site.store.put(Thing("u", 9))
    assert [thing.version for thing in site.groups.of("h")] == [10]
    assert list(site.groups.of("g")) == list(site.ordered.keys("g")) == []
    assert [thing.uid for thing in site.groups.all()] == ["u"]


def test_groups_are_in_order_and_continue_after_a_key() -> None:
    site = Site()
    for number, name in enumerate("cab"):
        site.store.put(Thing(f"u{number}", 1, name))
    keys = list(site.ordered.keys("g"))
    assert [key[0] for key in keys] == ["a", "b", "c"]
    assert list(site.ordered.keys("g", keys[0])) == keys[1:]
    assert site.ordered.count("g") == 3
    assert site.ordered.last("g") == keys[2]
    assert site.ordered.last("h") is None
    assert [site.ordered.count_before("g", key) for key in (*keys, ("bb", "u9"), ("d", ""))] == [0, 1, 2, 2, 3]


def test_an_index_that_is_added_later_has_what_is_stored() -> None:
    site = Site()
    site.store.put(Thing("u1", 1, "a"))
    site.store.put(Thing("u2", 2, "b"))
    later: GroupIndex[Thing] = GroupIndex(lambda thing: [thing.group])
    site.store.add_index(later)
    site.store.remove("u1")
    assert [thing.uid for thing in later.of("g")] == ["u2"]


def test_a_successor_replaces_an_object_of_the_same_name() -> None:
    site = Site()
    site.store.put(Thing("u1", 5))
    assert not site.store.put(Thing("u0", 4))
    assert site.store.put(Thing("u2", 6))
    assert [thing.uid for thing in site.store.all()] == ["u2"]
    assert not site.store.remove("u1")
    assert site.store.get("n", "a") == Thing("u2", 6)


def test_a_list_removes_what_it_does_not_have_unless_that_is_newer() -> None:
    site = Site()
    site.store.put(Thing("u1", 1, "a"))
    site.store.put(Thing("u2", 7, "b"))
    site.store.put(Thing("u3", 2, "c"))
    assert site.store.retain({"u3"}, 5) == [Thing("u1", 1, "a")]
    site.store.put(Thing("u4", 8, "d"))
    site.store.retain({"u4"}, 8)
    assert [thing.uid for thing in site.store.all()] == ["u4"]


def test_a_deleted_object_does_not_return_unless_deletions_are_not_remembered() -> None:
    remembering, forgetting = Site(), Site(remembered_deletions=0)
    for site in (remembering, forgetting):
        site.store.put(Thing("u", 1))
        assert site.store.remove("u")
    assert not remembering.store.put(Thing("u", 2))
    assert forgetting.store.put(Thing("u", 2))


def test_what_is_gone_as_of_a_version_returns_with_a_later_one_only() -> None:
    site = Site()
    site.store.put(Thing("u", 5))
    assert site.store.remove("u", 7)
    assert not site.store.put(Thing("u", 6)), "the late answer to a write"
    assert not site.store.put(Thing("u", 7))
    assert site.store.put(Thing("u", 8)), "it has the labels again that it is selected by"
    assert not site.store.remove("u", 7), "the late news of its first end"
    assert site.store.by_uid("u") == Thing("u", 8)
    assert site.store.remove("u", 9)
    assert not site.store.remove("u", 7)
    assert not site.store.put(Thing("u", 9)), "the latest end counts"


def test_what_was_never_stored_does_not_enter_after_its_end() -> None:
    site = Site()
    assert not site.store.remove("u", 7)
    assert not site.store.put(Thing("u", 6))


def test_what_a_complete_list_did_not_have_does_not_enter_with_an_older_version() -> None:
    site = Site(remembered_deletions=0)
    site.store.put(Thing("known", 3, "k"))
    site.store.put(Thing("gone", 4, "g"))
    site.store.retain({"known"}, 9)
    assert not site.store.put(Thing("gone", 8, "g")), "an answer to a write that came late"
    assert not site.store.put(Thing("unknown", 9, "x")), "made and deleted before the list was made"
    assert site.store.put(Thing("known", 4, "k"))
    assert site.store.put(Thing("new", 10, "n"))
    site.store.retain({"known", "new"}, 5)
    assert not site.store.put(Thing("gone", 8, "g")), "an older list that ends later changes nothing"


def test_no_more_deletions_are_remembered_than_allowed() -> None:
    site = Site(remembered_deletions=10)
    for number in range(1000):
        site.store.put(Thing(f"u{number}", number, f"n{number}"))
        site.store.remove(f"u{number}", number)
    site.store.retain(set(), 1000)
    assert len(site.store._deleted) == 10
    assert len(site.store) == 0


def test_counts_keep_nothing_of_groups_that_are_empty() -> None:
    site = Site()
    for number in range(5):
        site.store.put(Thing("u", number, group=f"g{number}"))
    site.store.remove("u")
    assert site.counts.count("g4") == 0
    assert not site.counts._counts


def test_indexes_agree_with_the_store_whatever_order_changes_arrive_in() -> None:
    chance = random.Random(7)  # noqa: S311 - a test's own dice
    site = Site()
    for version in range(2000):
        number = chance.randrange(40)
        if chance.random() < 0.2:
            site.store.remove(f"u{number}")
        else:
            thing = Thing(f"u{number}", chance.randrange(version + 1), f"n{chance.randrange(20)}", chance.choice("gh"))
            site.store.put(thing)
    assert len(site.store) > 0
    assert site.is_consistent()

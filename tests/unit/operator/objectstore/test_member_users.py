"""Which users of the object store the members of a workspace share: pure, from what was issued and which there are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import Workspace
from icefield_operator.objectstore.config import Access
from icefield_operator.objectstore.member_users import (
    PERIOD,
    REVOCATION,
    SPACING,
    Issued,
    MemberUser,
    Replaced,
    accesses,
    changes,
    current_users,
    parse,
)
from icefield_operator.objectstore.policy import user_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ADA, BOB = {"ada@acme.eu": Access.READ_WRITE}, {"bob@acme.eu": Access.READ_ONLY}
EVE = {"eve@acme.eu": Access.READ_ONLY}


@dataclass(frozen=True)
class Store:
    """The users that there are, and what was issued."""

    users: frozenset[str] = frozenset()
    issued: Issued | None = None

    def after(self, members: dict[str, Access], now: datetime) -> Store:
        """Return what there is after a pass."""
        found = changes("demo", members, self.issued, self.users, now)
        return Store((self.users | set(found.missing)) - set(found.outdated), found.issued)

    @property
    def current(self) -> set[str]:
        """The users whose keys members get."""
        assert self.issued
        return set(current_users("demo", self.issued).values())


def test_viewers_read_and_the_others_write() -> None:
    members = [{"user": "Ada@acme.eu", "role": "editor"}, {"user": "bob@acme.eu", "role": "viewer"}]
    workspace = Workspace.model_validate({"metadata": {"name": "demo"}, "spec": {"members": members}})
    assert accesses(workspace) == ADA | BOB


def test_a_pass_that_finds_all_does_nothing() -> None:
    store = Store().after(ADA, NOW)
    assert store.users == store.current
    assert store.after(ADA, NOW + timedelta(hours=1)) == store


def test_a_new_member_or_a_higher_role_changes_no_keys() -> None:
    store = Store().after(ADA | BOB, NOW)
    for members in (ADA | BOB | {"eve@acme.eu": Access.READ_WRITE}, ADA | {"bob@acme.eu": Access.READ_WRITE}):
        assert store.after(members, NOW + SECOND).users == store.users


@pytest.mark.parametrize("left", [ADA, BOB, {}, BOB | {"ada@acme.eu": Access.READ_ONLY}])
def test_when_somebody_loses_access_the_keys_are_replaced_and_soon_end(left: dict[str, Access]) -> None:
    before = Store().after(ADA | BOB, NOW)
    lost = before.after(left, NOW + timedelta(hours=1))
    assert not lost.current & before.users
    assert lost.users == lost.current | before.users
    assert lost.issued
    assert lost.issued.until_next_change(NOW + timedelta(hours=1)) == REVOCATION
    assert lost.after(left, NOW + timedelta(hours=1) + REVOCATION - SECOND).users == lost.users
    assert lost.after(left, NOW + timedelta(hours=1) + REVOCATION).users == lost.current
    assert timedelta(minutes=1) < REVOCATION < timedelta(minutes=5)


def test_who_leaves_soon_after_another_ends_nobody_elses_keys_early() -> None:
    first = Store().after(ADA | BOB | EVE, NOW)
    second = first.after(ADA | BOB, NOW + MINUTE)
    third = second.after(ADA, NOW + 2 * MINUTE)
    assert third.users == first.users | second.users | third.current
    assert len(third.users) == 6
    assert third.after(ADA, NOW + MINUTE + REVOCATION).users == second.current | third.current
    assert third.after(ADA, NOW + 2 * MINUTE + REVOCATION).users == third.current


def test_that_more_people_leave_gives_the_first_no_more_time() -> None:
    first = Store().after(ADA | BOB, NOW)
    second = first.after(ADA, NOW + SECOND)
    third = second.after({}, NOW + MINUTE)
    assert not third.after({}, NOW + SECOND + REVOCATION).users & first.users


def test_who_leaves_soon_after_a_rotation_ends_the_keys_before_it_minutes_later() -> None:
    first = Store().after(ADA | BOB, NOW)
    second = first.after(ADA | BOB, NOW + PERIOD)
    left = NOW + PERIOD + MINUTE
    third = second.after(ADA, left)
    assert third.users == first.users | second.current | third.current
    assert third.after(ADA, left + REVOCATION - SECOND).users == third.users
    assert third.after(ADA, left + REVOCATION).users == third.current


def test_who_leaves_within_seconds_of_a_replacement_is_remembered() -> None:
    first = Store().after(ADA | BOB | EVE, NOW)
    second = first.after(ADA | BOB, NOW + MINUTE)
    left = NOW + MINUTE + SECOND
    third = second.after(ADA, left)
    assert (third.current, third.users) == (second.current, second.users)
    assert third.issued
    assert third.issued.until_next_change(left) == SPACING - SECOND
    # The revocation is recorded, and an operator that was restarted reads it.
    third = Store(third.users, Issued.from_json(json.loads(json.dumps(third.issued.to_json()))))
    fourth = third.after(ADA, NOW + MINUTE + SPACING)
    assert not fourth.current & third.users
    assert not fourth.after(ADA, left + REVOCATION).users & second.users


def test_who_leaves_and_comes_back_within_seconds_has_new_keys_all_the_same() -> None:
    second = Store().after(ADA | BOB | EVE, NOW).after(ADA | BOB, NOW + MINUTE)
    back = second.after(ADA, NOW + MINUTE + SECOND).after(ADA | BOB, NOW + MINUTE + 2 * SECOND)
    assert not back.after(ADA | BOB, NOW + MINUTE + SPACING).current & second.users


@pytest.mark.parametrize("every", [0.3, 1, 7, 29, 30, 31, 100])
def test_however_many_leave_one_after_another_the_users_are_few_and_everybodys_keys_end(every: float) -> None:
    members = ADA | {f"{n}@acme.eu": Access.READ_ONLY for n in range(100)}
    store = Store().after(members, NOW).after(members, NOW + PERIOD)
    due: list[tuple[datetime, set[str]]] = []
    replaced_at: dict[str, datetime] = {}
    now = leaves = NOW + PERIOD + MINUTE
    most = 0
    while members.keys() != ADA.keys() or (store.issued and store.issued.replaced):
        if leaves <= now and len(members) > 1:
            members = dict(list(members.items())[:-1])
            leaves = now + timedelta(seconds=every)
            due.append((now + timedelta(minutes=5), set(store.users)))
        before, store = store, store.after(members, now)
        replaced_at |= dict.fromkeys(before.current - store.current, now)
        for name in before.users - store.users:
            # Time enough for whoever is still a member.
            assert now - replaced_at.get(name, NOW + PERIOD) >= REVOCATION - SPACING - SECOND
        most = max(most, len(store.users))
        assert not any(end <= now and had & before.users for end, had in due)
        assert store.issued
        wait = max(store.issued.until_next_change(now), timedelta(seconds=0.1))
        now = min(now + wait, leaves) if len(members) > 1 else now + wait
    assert most <= 20
    assert store.users == store.current


@pytest.mark.parametrize("back", [timedelta(minutes=1), timedelta(minutes=4)])
def test_a_clock_that_was_set_back_keeps_nobodys_keys_alive(back: timedelta) -> None:
    second = Store().after(ADA | BOB | EVE, NOW).after(ADA | BOB, NOW + MINUTE)
    left = NOW + MINUTE - back
    third = second.after(ADA, left).after(ADA, left + SPACING)
    assert not third.current & second.users
    assert third.after(ADA, left + REVOCATION).users == third.current


def test_who_leaves_in_the_second_in_which_keys_were_made_loses_them() -> None:
    before = Store().after(ADA | BOB, NOW)
    after = before.after(ADA, NOW)
    assert not after.current & before.current
    assert after.after(ADA, NOW).users == after.users
    assert after.after(ADA, NOW + REVOCATION).users == after.current


def test_keys_are_replaced_and_still_open_the_prefix_for_a_period() -> None:
    first = Store().after(ADA, NOW)
    second = first.after(ADA, NOW + PERIOD)
    assert second.users == first.users | second.current
    assert first.issued
    assert first.issued.until_next_change(NOW) == PERIOD
    third = second.after(ADA, NOW + 2 * PERIOD)
    assert not third.users & first.users
    assert len(third.users) == 4


def test_what_was_issued_by_somebody_unknown_ends() -> None:
    before = Store().after(ADA, NOW)
    assert not Store(before.users).after(ADA, NOW + SECOND).users & before.users


def test_users_that_are_gone_are_made_again() -> None:
    before = Store().after(ADA, NOW)
    assert Store(frozenset(), before.issued).after(ADA, NOW + SECOND) == before


def test_keys_of_a_clock_that_was_ahead_are_replaced() -> None:
    ahead = Store().after(ADA, NOW + timedelta(days=30))
    assert not ahead.after(ADA, NOW).users & ahead.users


def test_users_of_other_workspaces_are_left_alone() -> None:
    other = MemberUser("demo-2", Access.READ_ONLY, 1).name
    others = [user_of("demo"), user_of("demo", Access.READ_ONLY), other, "root"]
    assert not changes("demo", {}, None, others, NOW).outdated


def test_names_and_records_are_read_as_they_were_written() -> None:
    user = MemberUser("demo", Access.READ_ONLY, 1764590400)
    assert parse(user.name) == user
    assert parse(user_of("demo", Access.READ_ONLY)) is None
    for issued in (Issued(ADA | BOB, 7), Issued({}, 7, (Replaced(3, 9), Replaced(5, 11)), 8)):
        assert Issued.from_json(issued.to_json()) == issued
    with pytest.raises(ValueError, match="made"):
        Issued.from_json({"members": {}})
    for replaced in (None, {}, [3], [{"made": 3}]):
        with pytest.raises(ValueError, match=r"replaced|end"):
            Issued.from_json({"members": {}, "made": 7, "replaced": replaced})


@pytest.mark.parametrize(("previous", "replaced"), [(None, ()), (3, (Replaced(3, 9),))])
def test_records_of_before_keys_had_more_than_one_before_them_are_read(
    previous: int | None, replaced: tuple[Replaced, ...]
) -> None:
    written = {"members": {"ada@acme.eu": "read-write"}, "made": 7, "previous": previous, "previousEnd": 9}
    assert Issued.from_json(written) == Issued(ADA, 7, replaced)

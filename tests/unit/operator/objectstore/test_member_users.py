"""Which users of the object store the members of a workspace share: pure, from what was issued and which there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import Workspace
from icefield_operator.objectstore.config import Access
from icefield_operator.objectstore.member_users import (
    PERIOD,
    REVOCATION,
    Issued,
    MemberUser,
    accesses,
    changes,
    current_users,
    parse,
)
from icefield_operator.objectstore.policy import user_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ADA, BOB = {"ada@acme.eu": Access.READ_WRITE}, {"bob@acme.eu": Access.READ_ONLY}


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


def test_that_more_people_leave_gives_the_first_no_more_time() -> None:
    first = Store().after(ADA | BOB, NOW)
    second = first.after(ADA, NOW + SECOND)
    third = second.after({}, NOW + 2 * SECOND)
    assert not third.users & first.users
    assert second.current < third.users


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
    for issued in (Issued(ADA | BOB, 7), Issued({}, 7, 3, 9)):
        assert Issued.from_json(issued.to_json()) == issued
    with pytest.raises(ValueError, match="made"):
        Issued.from_json({"members": {}})

"""Which users of the object store a workspace's members have: pure, from the names of those there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import Workspace
from icefield_crds.wire.member_keys import PLATFORM_ADMINS, member_of
from icefield_operator.objectstore.config import Access
from icefield_operator.objectstore.member_users import (
    PERIOD,
    MemberUser,
    accesses,
    changes,
    parse,
    until_next_period,
)
from icefield_operator.objectstore.policy import user_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ADA, BOB = member_of("ada@acme.eu"), member_of("bob@acme.eu")


def users_after(wanted: dict[str, Access], *times: datetime, users: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the users that there are after a pass at each of these times."""
    for now in times:
        found = changes("demo", wanted, users, now)
        users = (users | set(found.missing)) - set(found.outdated)
    return users


def test_viewers_read_and_the_others_write() -> None:
    members = [{"user": "Ada@acme.eu", "role": "editor"}, {"user": "bob@acme.eu", "role": "viewer"}]
    workspace = Workspace.model_validate({"metadata": {"name": "demo"}, "spec": {"members": members}})
    assert accesses(workspace) == {
        ADA: Access.READ_WRITE,
        BOB: Access.READ_ONLY,
        member_of(PLATFORM_ADMINS): Access.READ_WRITE,
    }


def test_a_pass_that_finds_all_does_nothing() -> None:
    wanted = {ADA: Access.READ_WRITE}
    again = changes("demo", wanted, users_after(wanted, NOW), NOW)
    assert (again.missing, again.outdated) == ((), ())
    assert again.current.keys() == {ADA}


def test_keys_are_replaced_and_still_open_the_prefix_for_a_period() -> None:
    wanted = {ADA: Access.READ_WRITE}
    first = users_after(wanted, NOW)
    second = users_after(wanted, NOW + PERIOD, users=first)
    assert first < second
    assert len(second) == 2
    third = users_after(wanted, NOW + 2 * PERIOD, users=second)
    assert len(third) == 2
    assert not first & third


def test_the_keys_of_a_removed_member_are_revoked_at_once() -> None:
    users = users_after({ADA: Access.READ_WRITE, BOB: Access.READ_ONLY}, NOW, NOW + PERIOD)
    left = users_after({ADA: Access.READ_WRITE}, NOW + PERIOD, users=users)
    assert {user.member for user in map(parse, left) if user} == {ADA}


def test_the_keys_of_another_role_are_revoked_at_once() -> None:
    users = users_after({ADA: Access.READ_WRITE}, NOW, NOW + PERIOD)
    left = users_after({ADA: Access.READ_ONLY}, NOW + PERIOD, users=users)
    assert {user.access for user in map(parse, left) if user} == {Access.READ_ONLY}


def test_users_of_other_workspaces_are_left_alone() -> None:
    others = frozenset(
        {
            user_of("demo"),
            user_of("demo", Access.READ_ONLY),
            MemberUser("demo-2", Access.READ_ONLY, ADA, 1).name,
            "root",
        }
    )
    assert not changes("demo", {}, others, NOW).outdated


def test_users_of_a_clock_that_was_ahead_are_deleted() -> None:
    ahead = users_after({ADA: Access.READ_WRITE}, NOW + timedelta(days=30))
    assert changes("demo", {ADA: Access.READ_WRITE}, ahead, NOW).outdated == tuple(ahead)


@pytest.mark.parametrize("workspace", ["demo", "sales", "a" * 50])
def test_the_next_pass_is_due_when_the_period_ends(workspace: str) -> None:
    left = until_next_period(workspace, NOW)
    assert timedelta() < left <= PERIOD
    wanted = {ADA: Access.READ_ONLY}
    users = [MemberUser(workspace, Access.READ_ONLY, ADA, 0).name]
    around = (NOW + left - timedelta(seconds=1), NOW + left + timedelta(seconds=1))
    assert len({changes(workspace, wanted, users, now).current[ADA] for now in around}) == 2


def test_a_name_is_read_as_it_was_written() -> None:
    user = MemberUser("demo", Access.READ_ONLY, ADA, 41234)
    assert parse(user.name) == user
    assert parse(user_of("demo", Access.READ_ONLY)) is None

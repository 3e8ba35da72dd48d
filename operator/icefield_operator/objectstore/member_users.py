"""Which users of the object store a workspace's members have: pure.

Members of a workspace share two users, one that reads and writes and one that reads; these are not the users of its
pods. Both are replaced after a period, and as soon as anybody's membership ends or becomes a lesser one. Those before
open the prefix for another period, so that nothing which still has their keys fails; or where somebody lost access, for
minutes only: whoever is still a member gets the new keys with the next table that is loaded.

A user for each member would end one person's keys alone, but the bucket's policy would have to name them all, and
versitygw reads the policy on each request (docs/design/2026-12-01-keys-of-members.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from icefield_crds import Role, Workspace
from icefield_crds.wire.fields import as_object, choice, integer, optional_integer

from .config import Access

PERIOD = timedelta(hours=12)
REVOCATION = timedelta(minutes=4)
"""How long keys that somebody lost still open the prefix: longer than API server and clients keep what they read."""

CLOCK_SKEW_SECONDS = 300
"""Keys that are made later than this from now are those of a clock that was wrong, and would never be replaced."""

_SHORT = {Access.READ_WRITE: "rw", Access.READ_ONLY: "ro"}
_NAME = re.compile(r"icefield-(?P<workspace>[^_]+)_(?P<access>rw|ro)-(?P<made>[0-9]+)")


@dataclass(frozen=True)
class MemberUser:
    """A user of the store that members of a workspace share.

    Attributes:
        workspace: slug.
        access: what it may do with the workspace's prefix.
        made: when it was made, in seconds since 1970.
    """

    workspace: str
    access: Access
    made: int

    @property
    def name(self) -> str:
        """The user's name, which is its access key id."""
        # No workspace's name has an underscore: it cannot be another workspace's user.
        return f"icefield-{self.workspace}_{_SHORT[self.access]}-{self.made}"


@dataclass(frozen=True)
class Issued:
    """Which keys were issued, and to whom.

    Attributes:
        members: what each member could do when it was last looked at, by e-mail address in lower case.
        made: when the users of the current keys were made, in seconds since 1970.
        previous: the same of the keys before them; None where they do not open anything any more.
        previous_end: when those stop opening the prefix, in seconds since 1970.
    """

    members: Mapping[str, Access]
    made: int
    previous: int | None = None
    previous_end: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        return {
            "members": dict(self.members),
            "made": self.made,
            "previous": self.previous,
            "previousEnd": self.previous_end,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Issued:
        """Return what `to_json` made a JSON object of.

        Raises:
            ValueError: it is none.
        """
        members = as_object(fields.get("members"), "members")
        return cls(
            {member: choice(members, member, Access) for member in members},
            integer(fields, "made"),
            optional_integer(fields, "previous"),
            integer(fields, "previousEnd"),
        )

    def until_next_change(self, now: datetime) -> timedelta:
        """Return how long nothing has to be done, if no membership changes."""
        ends = [self.made + PERIOD.total_seconds()]
        if self.previous is not None:
            ends.append(self.previous_end)
        return max(timedelta(), timedelta(seconds=min(ends) - now.timestamp()))


@dataclass(frozen=True)
class Changes:
    """What is to be done so that members have the keys that are due, and no others.

    Attributes:
        issued: what is issued then.
        missing: names of users that are to be created.
        outdated: names of users that are to be deleted.
    """

    issued: Issued
    missing: tuple[str, ...]
    outdated: tuple[str, ...]


def parse(name: str) -> MemberUser | None:
    """Return the members' user with this name; None where it is another user of the store."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    access = next(access for access, short in _SHORT.items() if short == found["access"])
    return MemberUser(found["workspace"], access, int(found["made"]))


def accesses(workspace: Workspace) -> dict[str, Access]:
    """Return what each member of a workspace may do with its prefix, by e-mail address in lower case."""
    return {
        member.user.lower(): Access.READ_ONLY if member.role is Role.VIEWER else Access.READ_WRITE
        for member in workspace.spec.members
    }


def current_users(workspace: str, issued: Issued) -> dict[Access, str]:
    """Return the names of the users whose keys members get."""
    return {access: MemberUser(workspace, access, issued.made).name for access in Access}


def changes(
    workspace: str, members: Mapping[str, Access], issued: Issued | None, users: Iterable[str], now: datetime
) -> Changes:
    """Return what is to be done, given what was issued and which users exist.

    Args:
        workspace: slug.
        members: `accesses` of the workspace.
        issued: what was issued before; None where that is not known, which ends all keys that there are.
        users: names of all users of the store.
        now: the time.
    """
    following = _next(members, issued, int(now.timestamp()))
    kept = {following.made, following.previous}
    known = {user.name: user for name in users if (user := parse(name)) and user.workspace == workspace}
    missing = set(current_users(workspace, following).values()) - known.keys()
    outdated = (name for name, user in known.items() if user.made not in kept)
    return Changes(following, tuple(sorted(missing)), tuple(sorted(outdated)))


def _next(members: Mapping[str, Access], issued: Issued | None, now: int) -> Issued:
    if issued is None or issued.made > now + CLOCK_SKEW_SECONDS:
        return Issued(members, now)
    # Later than those before, even in the same second: the time is a part of the users' names.
    made = max(now, issued.made + 1)
    if any(_lost(access, members.get(member)) for member, access in issued.members.items()):
        return Issued(members, made, issued.made, now + int(REVOCATION.total_seconds()))
    period = int(PERIOD.total_seconds())
    if now >= issued.made + period:
        return Issued(members, made, issued.made, now + period)
    if issued.previous is not None and now >= issued.previous_end:
        return Issued(members, issued.made)
    return Issued(members, issued.made, issued.previous, issued.previous_end)


def _lost(before: Access, after: Access | None) -> bool:
    return after is None or (before is Access.READ_WRITE and after is Access.READ_ONLY)

"""Which users of the object store a workspace's members have: pure.

Members of a workspace share two users, one that reads and writes and one that reads; these are not the users of its
pods. Both are replaced after a period, and as soon as anybody's membership ends or becomes a lesser one. Those before
open the prefix for another period, so that nothing which still has their keys fails; or where somebody lost access, for
minutes only: whoever is still a member gets the new keys with the next table that is loaded. Each of those before has
its own end, so that two who leave one after the other end nobody else's keys early.

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
SPACING = timedelta(seconds=30)
"""How long keys are at least handed out after others were replaced, however many members leave: it bounds the users.

Whoever leaves meanwhile is remembered, and the next replacement ends her keys as if it had been made when she left.
"""

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
class Replaced:
    """Keys that are not handed out any more, and still open the prefix.

    Attributes:
        made: when their users were made, in seconds since 1970.
        end: when they stop opening the prefix, in seconds since 1970.
    """

    made: int
    end: int

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        return {"made": self.made, "end": self.end}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Replaced:
        """Return what `to_json` made a JSON object of.

        Raises:
            ValueError: it is none.
        """
        return cls(integer(fields, "made"), integer(fields, "end"))


@dataclass(frozen=True)
class Issued:
    """Which keys were issued, and to whom.

    Attributes:
        members: what each member could do when it was last looked at, by e-mail address in lower case.
        made: when the users of the current keys were made, in seconds since 1970.
        replaced: the keys before them that still open the prefix.
        lost: when somebody who may have the current keys first lost access, in seconds since 1970; None where nobody
            did.
    """

    members: Mapping[str, Access]
    made: int
    replaced: tuple[Replaced, ...] = ()
    lost: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        return {
            "members": dict(self.members),
            "made": self.made,
            "replaced": [each.to_json() for each in self.replaced],
            "lost": self.lost,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Issued:
        """Return what `to_json` made a JSON object of, or what it made before keys had more than one before them.

        Raises:
            ValueError: it is none.
        """
        members = as_object(fields.get("members"), "members")
        return cls(
            {member: choice(members, member, Access) for member in members},
            integer(fields, "made"),
            _replaced(fields),
            optional_integer(fields, "lost"),
        )

    def until_next_change(self, now: datetime) -> timedelta:
        """Return how long nothing has to be done, if no membership changes."""
        times = [self.made + _seconds(PERIOD), *(each.end for each in self.replaced)]
        if self.lost is not None:
            times.append(self.replaced_again_at(self.lost))
        return max(timedelta(), timedelta(seconds=min(times) - now.timestamp()))

    def replaced_again_at(self, lost: int) -> int:
        """Return when the current keys may be replaced because somebody lost access, both in seconds since 1970."""
        # Not by `made` alone, which is later than now where the clock was set back.
        return min(self.made, lost) + _seconds(SPACING) if self.replaced else lost


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
    kept = {following.made, *(each.made for each in following.replaced)}
    known = {user.name: user for name in users if (user := parse(name)) and user.workspace == workspace}
    missing = set(current_users(workspace, following).values()) - known.keys()
    outdated = (name for name, user in known.items() if user.made not in kept)
    return Changes(following, tuple(sorted(missing)), tuple(sorted(outdated)))


def _next(members: Mapping[str, Access], issued: Issued | None, now: int) -> Issued:
    if issued is None or issued.made > now + CLOCK_SKEW_SECONDS:
        return Issued(members, now)
    lost, latest = issued.lost, None
    if any(_lost(access, members.get(member)) for member, access in issued.members.items()):
        lost, latest = now if lost is None else min(lost, now), now + _seconds(REVOCATION)
    following = Issued(members, issued.made, _still_valid(issued.replaced, now, latest), lost)
    if lost is not None:
        is_due = now >= following.replaced_again_at(lost)
        return _replace(following, lost + _seconds(REVOCATION), now) if is_due else following
    if now >= issued.made + _seconds(PERIOD):
        return _replace(following, now + _seconds(PERIOD), now)
    return following


def _replace(issued: Issued, end: int, now: int) -> Issued:
    """Return what is issued once the current keys are replaced, and have this end."""
    # Later than those before, even in the same second: the time is a part of the users' names.
    made = max(now, issued.made + 1)
    return Issued(issued.members, made, _still_valid((*issued.replaced, Replaced(issued.made, end)), now))


def _still_valid(replaced: Iterable[Replaced], now: int, latest: int | None = None) -> tuple[Replaced, ...]:
    """Return those that have not ended; all of them end at `latest` where it is given."""
    ends = ((each.made, each.end if latest is None else min(each.end, latest)) for each in replaced)
    return tuple(Replaced(made, end) for made, end in ends if end > now)


def _lost(before: Access, after: Access | None) -> bool:
    return after is None or (before is Access.READ_WRITE and after is Access.READ_ONLY)


def _replaced(fields: Mapping[str, Any]) -> tuple[Replaced, ...]:
    if "replaced" in fields:
        if not isinstance(fields["replaced"], list):
            raise ValueError("replaced must be a list")
        return tuple(Replaced.from_json(as_object(each, "each of replaced")) for each in fields["replaced"])
    previous = optional_integer(fields, "previous")
    return () if previous is None else (Replaced(previous, integer(fields, "previousEnd")),)


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())

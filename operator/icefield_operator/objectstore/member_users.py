"""Which users of the object store a workspace's members have: pure.

Each member has a user of the store, named after the workspace, what it may do, the member, and the period in which it
was made. A new period makes a new user; the one of the period before still opens the prefix, for those who hold its
keys, and every older one is deleted. So keys end by themselves after two periods at most, and at once when their member
is no longer one, or has another role. All of it follows from the names of the users there are: nothing else is kept.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from icefield_crds import Role, Workspace
from icefield_crds.wire.member_keys import PLATFORM_ADMINS, member_of

from .config import Access

PERIOD = timedelta(hours=12)

_SHORT = {Access.READ_WRITE: "rw", Access.READ_ONLY: "ro"}
_NAME = re.compile(r"icefield-(?P<workspace>[^_]+)_(?P<access>rw|ro)-(?P<member>[0-9a-f]{12})-(?P<period>[0-9]+)")


@dataclass(frozen=True)
class MemberUser:
    """A member's user of the store.

    Attributes:
        workspace: slug.
        access: what it may do with the workspace's prefix.
        member: `icefield_crds.wire.member_keys.member_of` its person.
        period: in which it was made, counted from 1970.
    """

    workspace: str
    access: Access
    member: str
    period: int

    @property
    def name(self) -> str:
        """The user's name, which is its access key id."""
        # No workspace's name has an underscore: it cannot be another workspace's user.
        return f"icefield-{self.workspace}_{_SHORT[self.access]}-{self.member}-{self.period}"


@dataclass(frozen=True)
class Changes:
    """What is to be done so that exactly a workspace's members have users.

    Attributes:
        current: the user whose keys each member gets, by member.
        missing: names of those that are to be created.
        outdated: names of users that are to be deleted.
    """

    current: Mapping[str, str]
    missing: tuple[str, ...]
    outdated: tuple[str, ...]


def parse(name: str) -> MemberUser | None:
    """Return the member's user with this name; None where it is another user of the store."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    access = next(access for access, short in _SHORT.items() if short == found["access"])
    return MemberUser(found["workspace"], access, found["member"], int(found["period"]))


def accesses(workspace: Workspace) -> dict[str, Access]:
    """Return what each member of a workspace, and platform administrators, may do with its prefix."""
    members = {
        member_of(member.user): Access.READ_ONLY if member.role is Role.VIEWER else Access.READ_WRITE
        for member in workspace.spec.members
    }
    return {**members, member_of(PLATFORM_ADMINS): Access.READ_WRITE}


def changes(workspace: str, wanted: Mapping[str, Access], users: Iterable[str], now: datetime) -> Changes:
    """Return what a workspace's member users lack, given the names of all users of the store.

    Args:
        workspace: slug.
        wanted: `accesses` of the workspace.
        users: names of the users that exist.
        now: the time.
    """
    period = _period(workspace, now)
    current = {m: MemberUser(workspace, access, m, period).name for m, access in wanted.items()}
    known = {user.name: user for name in users if (user := parse(name)) and user.workspace == workspace}
    outdated = [
        name
        for name, user in known.items()
        # A later period is that of a clock that was ahead.
        if wanted.get(user.member) is not user.access or abs(period - user.period) > 1
    ]
    return Changes(current, tuple(sorted(set(current.values()) - known.keys())), tuple(sorted(outdated)))


def until_next_period(workspace: str, now: datetime) -> timedelta:
    """Return how long the keys of now are the current ones."""
    return PERIOD - timedelta(seconds=(now.timestamp() + _offset(workspace)) % PERIOD.total_seconds())


def _period(workspace: str, now: datetime) -> int:
    return int((now.timestamp() + _offset(workspace)) // PERIOD.total_seconds())


def _offset(workspace: str) -> int:
    # Not all workspaces at once: each rotation is some calls to the store.
    return zlib.crc32(workspace.encode()) % int(PERIOD.total_seconds())

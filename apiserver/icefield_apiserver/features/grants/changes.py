"""Changes of the grants of a workspace, and whether grants name whom there is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.nearest_name import hint_of, shown
from icefield_crds import Grant, Group, Member, Privilege

MAX_GRANTS = 500


def check_principals(grants: Iterable[Grant], members: Sequence[Member], groups: Sequence[Group]) -> None:
    """Check that grants, and groups, name members and groups that there are.

    Raises:
        BadRequest: one names another, or a group has the name of a user; the sentence has the nearest name.
    """
    people = {member.user.lower() for member in members}
    names = [group.name for group in groups]
    if marked := next((name for name in names if "@" in name), None):
        raise BadRequest(f"The name of a group has no @, as {shown(marked)} has.")
    for grant in grants:
        if (grant.user is None) == (grant.group is None):
            raise BadRequest("A grant is for a user or for a group.")
        if grant.user is not None and grant.user.lower() not in people:
            raise BadRequest(f"{shown(grant.user)} is not a member of this workspace{hint_of(grant.user, people)}")
        if grant.group is not None and grant.group not in names:
            raise BadRequest(f"There is no group {shown(grant.group)} in this workspace{hint_of(grant.group, names)}")


def with_grant(grants: Sequence[Grant], new: Grant) -> list[Grant]:
    """Return grants and another one; the privileges of one principal on one object are one grant.

    Raises:
        BadRequest: there are too many then.
    """
    same = [privilege for each in grants if _is_about_same(each, new) for privilege in each.privileges]
    others = [each for each in grants if not _is_about_same(each, new)]
    if len(others) >= MAX_GRANTS:
        raise BadRequest(f"A workspace has at most {MAX_GRANTS} grants; give them to groups.")
    return [*others, new.model_copy(update={"privileges": _ordered([*same, *new.privileges])})]


def without_grant(grants: Sequence[Grant], old: Grant) -> list[Grant]:
    """Return grants without some privileges of one principal on one object.

    A privilege includes the ones before it, so who loses SELECT loses all, and who loses INSERT keeps SELECT.

    Raises:
        BadRequest: the principal has none of them there.
    """
    lowest = min(list(Privilege).index(each) for each in old.privileges)
    lost, kept = list(Privilege)[lowest:], list(Privilege)[:lowest]
    result: list[Grant] = []
    is_changed = False
    for each in grants:
        if not _is_about_same(each, old) or not set(each.privileges) & set(lost):
            result.append(each)
            continue
        is_changed = True
        if kept:
            result.append(each.model_copy(update={"privileges": kept[-1:]}))
    if not is_changed:
        listed = ", ".join(each.value for each in old.privileges)
        where = f"table {old.database}.{old.table}" if old.table else f"database {old.database}"
        raise BadRequest(f"{old.user or old.group} has no grant of {listed} on {where}.")
    return result


def _ordered(privileges: Iterable[Privilege]) -> list[Privilege]:
    return sorted(set(privileges), key=list(Privilege).index)


def _is_about_same(one: Grant, other: Grant) -> bool:
    """Return whether two grants are for the same principal on the same object."""
    return _about(one) == _about(other)


def _about(grant: Grant) -> tuple[str, str, str, str]:
    table = (grant.table or "").casefold().removeprefix("default.")
    return (grant.user or "").lower(), grant.group or "", grant.database.casefold(), table

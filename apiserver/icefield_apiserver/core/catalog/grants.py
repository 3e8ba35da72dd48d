"""What a person may do with the databases and tables of a workspace. Pure.

A database is restricted as soon as a grant names it, or a table in it. What is in it is then for admins and for those
whom the grants name; any other database is for all members. A grant never gives more than the role does. Names are
compared without case, for there are engines that do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from icefield_apiserver.core.errors import Forbidden, NotFound
from icefield_crds import Workspace
from icefield_crds.grants import Grant, Privilege
from icefield_sql import GrantRow, TableName

from .model import Namespace, full_name, namespace_label

_RANK = {privilege: rank for rank, privilege in enumerate(Privilege, start=1)}
_WHOLE = ""
"""In place of a table's name: the database itself with everything in it."""


@dataclass(frozen=True)
class DataAccess:
    """The access of one person to the databases and tables of a workspace.

    Attributes:
        person: e-mail address; empty for a run whose person is not known; None for who may everything, as admins.
        privileges: of each restricted database, the highest rank that the person has on each of its tables.
    """

    person: str | None = None
    privileges: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything that the person may not do."""
        return self.person is not None and bool(self.privileges)

    def may(self, privilege: Privilege, namespace: Namespace, name: str) -> bool:
        """Return whether the person has a privilege on a table or view."""
        if (granted := self._granted(namespace)) is None:
            return True
        table = ".".join((*namespace[1:], name)).casefold()
        return max(granted.get(_WHOLE, 0), granted.get(table, 0)) >= _RANK[privilege]

    def may_in(self, privilege: Privilege, namespace: Namespace) -> bool:
        """Return whether the person has a privilege on a database with everything in it."""
        granted = self._granted(namespace)
        return granted is None or granted.get(_WHOLE, 0) >= _RANK[privilege]

    def sees(self, namespace: Namespace) -> bool:
        """Return whether the person may see that a database or schema is there, for something in it."""
        granted = self._granted(namespace)
        return granted is None or any(granted.values())

    def owns(self, namespace: Namespace, name: str | None) -> bool:
        """Return whether the person may grant on a table, or a database: an admin, or who has OWN by a grant."""
        if self.person is None:
            return True
        if self._granted(namespace) is None:
            return False
        return self.may_in(Privilege.OWN, namespace) if name is None else self.may(Privilege.OWN, namespace, name)

    def require(self, privilege: Privilege, namespace: Namespace, name: str, kind: str = "table") -> None:
        """Check a privilege on a table or view.

        Raises:
            NotFound: the person may not even see it.
            Forbidden: the person may see it only.
        """
        if not self.may(Privilege.SELECT, namespace, name):
            raise NotFound(f"There is no {kind} {full_name(namespace, name)}.")
        if not self.may(privilege, namespace, name):
            raise Forbidden(f"This needs the privilege {privilege.value} on {kind} {full_name(namespace, name)}.")

    def require_in(self, privilege: Privilege, namespace: Namespace) -> None:
        """Check a privilege on a database with everything in it.

        Raises:
            NotFound: the person may not even see it.
            Forbidden: the person may see it only, or has less.
        """
        self.require_sight(namespace)
        if not self.may_in(privilege, namespace):
            raise Forbidden(f"This needs the privilege {privilege.value} on database {namespace[0]}.")

    def require_to_create(self, namespace: Namespace, name: str) -> None:
        """Check that the person may create a table or view.

        Raises:
            NotFound: the person may not even see its database.
            Forbidden: the person may see that only.
        """
        self.require_sight(namespace)
        if not self.may(Privilege.OWN, namespace, name):
            raise Forbidden(f"This needs the privilege {Privilege.OWN.value} on database {namespace[0]}.")

    def require_sight(self, namespace: Namespace) -> None:
        """Check that the person may see a database or schema.

        Raises:
            NotFound: it is hidden.
        """
        if not self.sees(namespace):
            raise NotFound(f"There is no {namespace_label(namespace)}.")

    def _granted(self, namespace: Namespace) -> Mapping[str, int] | None:
        """Return the ranks of the person in a restricted database; None where nothing is restricted."""
        if self.person is None or not namespace:
            return None
        return self.privileges.get(namespace[0].casefold())


EVERYTHING = DataAccess()


def access_of(workspace: Workspace, person: str | None) -> DataAccess:
    """Return the access of a person to the tables of a workspace.

    Args:
        workspace: the workspace, with its groups and grants.
        person: e-mail address; empty for nobody in particular; None for an admin.
    """
    if person is None:
        return EVERYTHING
    if not workspace.spec.grants:
        return DataAccess(person)
    groups = _groups_of(workspace, person)
    privileges: dict[str, dict[str, int]] = {}
    for grant in workspace.spec.grants:
        database = privileges.setdefault(grant.database.casefold(), {})
        if _is_for(grant, person, groups):
            table = _table_of(grant)
            database[table] = max(database.get(table, 0), *(_RANK[privilege] for privilege in grant.privileges))
    return DataAccess(person, privileges)


def shown_grants(workspace: Workspace, access: DataAccess, database: str, table: TableName | None) -> list[GrantRow]:
    """Return the grants on a database, or those that count for a table.

    Args:
        workspace: the workspace.
        access: of who asks: who does not own the object sees the own grants only.
        database: the database.
        table: the table; None for the database alone.
    """
    namespace = (database,) if table is None else table.namespace
    person = None if access.owns(namespace, None if table is None else table.name) else access.person
    groups = _groups_of(workspace, person) if person is not None else set()
    wanted = {_WHOLE} if table is None else {_WHOLE, ".".join((*namespace[1:], table.name)).casefold()}
    return [
        GrantRow(
            grant.user or grant.group or "",
            privilege.value,
            "TABLE" if grant.table else "DATABASE",
            f"{grant.database}.{grant.table}" if grant.table else grant.database,
        )
        for grant in workspace.spec.grants
        if grant.database.casefold() == database.casefold() and _table_of(grant) in wanted
        if person is None or _is_for(grant, person, groups)
        for privilege in grant.privileges
    ]


def _groups_of(workspace: Workspace, person: str) -> set[str]:
    return {group.name for group in workspace.spec.groups if person and _is_among(person, group.members)}


def _table_of(grant: Grant) -> str:
    if grant.table is None:
        return _WHOLE
    return grant.table.casefold().removeprefix("default.")


def _is_for(grant: Grant, person: str, groups: set[str]) -> bool:
    if grant.group is not None:
        return grant.group in groups
    return bool(person) and grant.user is not None and grant.user.lower() == person.lower()


def _is_among(person: str, members: Sequence[str]) -> bool:
    return person.lower() in (member.lower() for member in members)

"""Requests and responses about grants."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import RequestBody
from icefield_crds import Grant, Group, Privilege
from icefield_crds.names import MAX_DATABASE_LENGTH, MAX_TABLE_LENGTH

from .changes import MAX_GRANTS
from .service import GrantsOfWorkspace

_PRIVILEGES = "SELECT, INSERT or OWN; each includes the ones before it."
_TABLE = "A table or view in it, or schema.name; all when absent."
_Person = Annotated[str, Field(min_length=3, max_length=253)]
_GroupName = Annotated[str, Field(min_length=1, max_length=63)]


class NewGrant(RequestBody):
    """Privileges of a person or group on a database or one of its tables."""

    user: Annotated[_Person | None, Field(description="E-mail address of a member.")] = None
    group: Annotated[_GroupName | None, Field(description="A group of the workspace.")] = None
    database: Annotated[str, Field(min_length=1, max_length=MAX_DATABASE_LENGTH, description="Name of the database.")]
    table: Annotated[str | None, Field(min_length=1, max_length=MAX_TABLE_LENGTH, description=_TABLE)] = None
    privileges: Annotated[list[Privilege], Field(min_length=1, max_length=3, description=_PRIVILEGES)]


class NewGroup(RequestBody):
    """Members of the workspace to whom grants are given together."""

    name: Annotated[_GroupName, Field(description="Name of the group, without @.")]
    members: Annotated[list[_Person], Field(max_length=500, description="E-mail addresses.")] = []


class NewGrants(RequestBody):
    """All grants and groups that a workspace is to have."""

    grants: Annotated[list[NewGrant], Field(max_length=MAX_GRANTS, description="In place of the current ones.")]
    groups: Annotated[
        list[NewGroup] | None,
        Field(max_length=100, description="In place of the current ones, which stay when this is absent."),
    ] = None

    def grants_of_workspace(self) -> list[Grant]:
        """Return the grants."""
        return [Grant(**each.model_dump()) for each in self.grants]

    def groups_of_workspace(self) -> list[Group] | None:
        """Return the groups; None where they stay."""
        return None if self.groups is None else [Group(**each.model_dump()) for each in self.groups]


class GrantRead(BaseModel):
    """Privileges of a person or group on a database or one of its tables."""

    user: str | None = Field(None, description="E-mail address.")
    group: str | None = Field(None, description="A group of the workspace.")
    database: str = Field(description="Name of the database.")
    table: str | None = Field(None, description=_TABLE)
    privileges: list[Privilege] = Field(description=_PRIVILEGES)


class GroupRead(BaseModel):
    """Members of the workspace to whom grants are given together."""

    name: str = Field(description="Name of the group.")
    members: list[str] = Field(description="E-mail addresses.")


class GrantsRead(BaseModel):
    """The grants and groups of a workspace."""

    grants: list[GrantRead] = Field(description="The grants.")
    groups: list[GroupRead] = Field(description="The groups.")


def grants_of(found: GrantsOfWorkspace) -> GrantsRead:
    """Return grants as REST shows them."""
    return GrantsRead(
        grants=[GrantRead(**each.model_dump()) for each in found.grants],
        groups=[GroupRead(**each.model_dump()) for each in found.groups],
    )

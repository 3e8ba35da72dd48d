"""Grants: who may read and write which databases and tables of a workspace."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from .meta import Model
from .names import MAX_DATABASE_LENGTH, MAX_TABLE_LENGTH


class Privilege(StrEnum):
    """What a grant allows; each privilege includes the ones before it."""

    SELECT = "SELECT"
    """To see and read."""
    INSERT = "INSERT"
    """To append."""
    OWN = "OWN"
    """To do everything else: change, overwrite, create, drop."""


class Group(Model):
    """Members of the workspace to whom grants are given together."""

    name: Annotated[str, Field(description="Name of the group.", min_length=1, max_length=63, pattern="^[^@]+$")]
    members: Annotated[
        list[Annotated[str, Field(min_length=3, max_length=253)]],
        Field(description="E-mail addresses.", max_length=500, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = []


class Grant(Model):
    """Privileges of a person or group on a database or one of its tables."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.user) != has(self.group)", "message": "a grant is for a user or for a group"}
            ]
        }
    )

    user: Annotated[str | None, Field(description="E-mail address.", min_length=3, max_length=253)] = None
    group: Annotated[str | None, Field(description="Name of a group.", min_length=1, max_length=63)] = None
    database: Annotated[str, Field(description="Name of the database.", min_length=1, max_length=MAX_DATABASE_LENGTH)]
    table: Annotated[
        str | None,
        Field(
            description="Name of a table or view in it, or schema.name; all of them when absent.",
            min_length=1,
            max_length=MAX_TABLE_LENGTH,
        ),
    ] = None
    privileges: Annotated[
        list[Privilege],
        Field(description="SELECT, INSERT or OWN; each includes the ones before it.", min_length=1, max_length=3),
    ]

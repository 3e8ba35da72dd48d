"""Environment variables as oleander's API says them (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from icefield_apiserver.repositories.environment import Variable


class VariableWrite(BaseModel):
    """A variable that shall be set."""

    name: str = Field(min_length=1, max_length=300, description="Its name; kept in upper case.", examples=["DB_HOST"])
    value: str = Field(description="Its value, up to 32 KiB.")


class VariableRead(BaseModel):
    """A variable that all tasks of the workspace find in their environment."""

    id: str = Field(description="Its id.", examples=["env_0123456789ab"])
    name: str = Field(description="Its name.", examples=["DB_HOST"])
    value: str = Field(description="Its value; empty for callers who may not set it.")
    organization_id: str = Field(description="The workspace.", examples=["acme"])
    created_at: datetime = Field(description="When it was first set.")
    updated_at: datetime = Field(description="When it was last set.")
    created_by_user_id: str | None = Field(description="Who first set it, where that is known.")


class VariableList(BaseModel):
    """The variables of the workspace."""

    environment_variables: list[VariableRead] = Field(description="By name.")


def variable_of(workspace: str, variable: Variable, *, shown: bool) -> VariableRead:
    """Return a variable as REST shows it, with its value or without."""
    return VariableRead(
        id=variable.id,
        name=variable.name,
        value=variable.value if shown else "",
        organization_id=workspace,
        created_at=variable.created,
        updated_at=variable.updated,
        created_by_user_id=variable.created_by,
    )

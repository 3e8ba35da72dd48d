"""REST schemas of environment variables, as in oleander's API (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import RequestBody

from .service import Variable


class VariableWrite(RequestBody):
    """Request body to set a variable."""

    name: str = Field(min_length=1, max_length=300, description="Its name, stored in upper case.", examples=["DB_HOST"])
    value: str = Field(description="Value of the variable, up to 32 KiB.")


class VariableRead(BaseModel):
    """An environment variable of all tasks of the workspace."""

    id: str = Field(description="Id of the variable.", examples=["env_0123456789ab"])
    name: str = Field(description="Name of the variable.", examples=["DB_HOST"])
    value: str = Field(description="Value of the variable; empty for callers who may not set it.")
    organization_id: str = Field(description="Slug of the workspace.", examples=["acme"])
    created_at: datetime = Field(description="When it was first set.")
    updated_at: datetime = Field(description="When it was last set.")
    created_by_user_id: str | None = Field(description="E-mail address of who first set it, if known.")


class VariableList(BaseModel):
    """The variables of the workspace."""

    environment_variables: list[VariableRead] = Field(description="The variables, by name.")


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

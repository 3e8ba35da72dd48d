"""REST schemas of users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import NotNull, RequestBody
from icefield_apiserver.identity.fields import Email, Name, NewPassword


class NewUser(RequestBody):
    """Request body to create a user."""

    email: Email
    name: Annotated[Name | None, Field(description="Display name; the e-mail address when absent.")] = None
    password: NewPassword
    is_platform_admin: Annotated[bool, Field(description="Whether the user manages workspaces and users.")] = False


class UserChange(RequestBody):
    """Request body to change a user; absent fields keep their value."""

    name: Annotated[Name | None, NotNull, Field(description="Display name.")] = None
    password: Annotated[
        NewPassword | None, NotNull, Field(description="A new password; it ends the user's sessions.")
    ] = None
    is_platform_admin: Annotated[bool | None, NotNull, Field(description="Whether the user is an administrator.")] = (
        None
    )
    is_active: Annotated[bool | None, NotNull, Field(description="false: log-ins and keys are refused.")] = None


class User(BaseModel):
    """A person who can log in."""

    id: Annotated[str, Field(description="Id of the user.", examples=["usr_1f0c2a9155aa"])]
    email: Annotated[str, Field(description="E-mail address.")]
    name: Annotated[str, Field(description="Display name.")]
    is_platform_admin: Annotated[bool, Field(description="Whether the user manages workspaces and users.")]
    is_active: Annotated[bool, Field(description="Whether log-ins and keys are accepted.")]
    created_at: Annotated[datetime, Field(description="When the user was created.")]

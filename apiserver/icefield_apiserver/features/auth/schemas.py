"""Authentication and API keys in REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.identity.fields import Name, NewPassword
from icefield_apiserver.identity.passwords import MAX_LENGTH
from icefield_crds import Role

TEN_YEARS = 10 * 366 * 86400


class Login(RequestBody):
    """Request body to log in."""

    email: Annotated[str, Field(max_length=253, description="E-mail address.", examples=["you@acme.eu"])]
    password: Annotated[str, Field(max_length=MAX_LENGTH, description="Password.")]


class AccessToken(BaseModel):
    """A log-in token."""

    access_token: Annotated[str, Field(description="Send it as `Authorization: Bearer ...`.")]
    token_type: Annotated[Literal["Bearer"], Field(description="Always Bearer.")] = "Bearer"  # noqa: S105
    expires_in: Annotated[int, Field(description="Seconds until it expires.", examples=[3600])]


class PasswordChange(RequestBody):
    """Request body to change one's own password."""

    current_password: Annotated[str, Field(max_length=MAX_LENGTH, description="The current password.")]
    new_password: NewPassword


class CurrentWorkspace(BaseModel):
    """The workspace in which a request acts."""

    slug: Annotated[str, Field(description="Name of the workspace.", examples=["demo"])]
    namespace: Annotated[str, Field(description="Its Kubernetes namespace.", examples=["icefield-demo"])]


class Membership(CurrentWorkspace):
    """A workspace that the caller may choose with X-Workspace-Slug."""

    role: Annotated[Role, Field(description="Role of the caller in the workspace.")]


class Me(BaseModel):
    """The caller, and the workspace in which the request acts."""

    email: Annotated[str, Field(description="E-mail address; `run:<name>` for a run's own token.")]
    name: Annotated[str, Field(description="Display name.")]
    kind: Annotated[Literal["user", "api_key", "run"], Field(description="Kind of the token.")]
    role: Annotated[Role | None, Field(description="Role of the caller in the workspace; null without one.")]
    is_platform_admin: Annotated[bool, Field(description="Whether the caller manages workspaces and users.")]
    workspace: Annotated[CurrentWorkspace | None, Field(description="Null for a user without memberships.")]
    workspaces: Annotated[list[Membership], Field(description="The workspaces for which this token is valid.")]


class NewApiKey(RequestBody):
    """Request body to create an API key."""

    name: Annotated[Name, Field(description="Purpose of the key.", examples=["ci"])]
    workspace: Annotated[
        str | None,
        Field(max_length=63, description="Workspace of the key; the request's when absent."),
    ] = None
    expires_in: Annotated[
        int | None, Field(ge=60, le=TEN_YEARS, description="Seconds until it expires; never when absent.")
    ] = None


class ApiKey(BaseModel):
    """An API key, without the secret key itself."""

    id: Annotated[str, Field(description="Id of the key: the digits after `icf_`.", examples=["5f0c2a91"])]
    name: Annotated[str, Field(description="Purpose of the key.")]
    workspace: Annotated[str, Field(description="Workspace for which the key is valid.")]
    created_at: Annotated[datetime, Field(description="When it was created.")]
    expires_at: Annotated[datetime | None, Field(description="When it expires; null for never.")]
    last_used_at: Annotated[datetime | None, Field(description="When it was last used, accurate to five minutes.")]


class CreatedApiKey(ApiKey):
    """A new API key, including the secret key itself."""

    key: Annotated[str, Field(description="The secret key; it is not shown again.")]

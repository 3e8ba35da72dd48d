"""Bodies of "Authentication" and of users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from icefield_apiserver.identity.passwords import MAX_LENGTH, MIN_LENGTH
from icefield_crds import Role

TEN_YEARS = 10 * 366 * 86400

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^@\s]+@[^@\s]+$"),
    Field(description="E-mail address; the person's name everywhere.", examples=["you@acme.eu"]),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=253)]
NewPassword = Annotated[
    str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, description=f"At least {MIN_LENGTH} characters.")
]


class Login(BaseModel):
    """Credentials."""

    email: Annotated[str, Field(max_length=253, description="E-mail address.", examples=["you@acme.eu"])]
    password: Annotated[str, Field(max_length=MAX_LENGTH, description="Password.")]


class AccessToken(BaseModel):
    """A log-in token."""

    access_token: Annotated[str, Field(description="Send it as `Authorization: Bearer ...`.")]
    token_type: Annotated[Literal["Bearer"], Field(description="Always Bearer.")] = "Bearer"  # noqa: S105
    expires_in: Annotated[int, Field(description="Seconds until it expires.", examples=[3600])]


class PasswordChange(BaseModel):
    """A new password, in exchange for the current one."""

    current_password: Annotated[str, Field(max_length=MAX_LENGTH, description="The password so far.")]
    new_password: NewPassword


class CurrentWorkspace(BaseModel):
    """The workspace in which a request acts."""

    slug: Annotated[str, Field(description="Name of the workspace.", examples=["demo"])]
    namespace: Annotated[str, Field(description="Its Kubernetes namespace.", examples=["icefield-demo"])]


class Membership(CurrentWorkspace):
    """A workspace that the caller may choose with X-Workspace-Slug."""

    role: Annotated[Role, Field(description="What the caller may do there.")]


class Me(BaseModel):
    """Who calls, and in which workspace the request acts."""

    email: Annotated[str, Field(description="E-mail address; `run:<name>` for a run's own token.")]
    name: Annotated[str, Field(description="Name shown to people.")]
    kind: Annotated[Literal["user", "api_key", "run"], Field(description="What the token is.")]
    role: Annotated[Role | None, Field(description="What the caller may do in the workspace; null without one.")]
    is_platform_admin: Annotated[bool, Field(description="Whether the caller manages workspaces and users.")]
    workspace: Annotated[CurrentWorkspace | None, Field(description="Null for a user who is a member of none.")]
    workspaces: Annotated[list[Membership], Field(description="The workspaces that this token opens.")]


class NewApiKey(BaseModel):
    """What is wanted of a key."""

    name: Annotated[Name, Field(description="What the key is for.", examples=["ci"])]
    workspace: Annotated[
        str | None, Field(max_length=63, description="Workspace that the key opens; the request's own when absent.")
    ] = None
    expires_in: Annotated[
        int | None, Field(ge=60, le=TEN_YEARS, description="Seconds until it expires; never when absent.")
    ] = None


class ApiKey(BaseModel):
    """A key, without the key itself."""

    id: Annotated[str, Field(description="The digits after `icf_`.", examples=["5f0c2a91"])]
    name: Annotated[str, Field(description="What the key is for.")]
    workspace: Annotated[str, Field(description="The workspace that it opens.")]
    created_at: Annotated[datetime, Field(description="When it was made.")]
    expires_at: Annotated[datetime | None, Field(description="When it expires; null for never.")]
    last_used_at: Annotated[datetime | None, Field(description="When it was last used, to within five minutes.")]


class CreatedApiKey(ApiKey):
    """A key, this once with the key itself."""

    key: Annotated[str, Field(description="The key; it is shown this once.")]


class NewUser(BaseModel):
    """A person who shall be able to log in."""

    email: Email
    name: Annotated[Name | None, Field(description="Name shown to people; the address when absent.")] = None
    password: NewPassword
    is_platform_admin: Annotated[bool, Field(description="Whether the person manages workspaces and users.")] = False


class UserChange(BaseModel):
    """What shall be different; what is absent stays."""

    name: Annotated[Name | None, Field(description="Name shown to people.")] = None
    password: Annotated[NewPassword | None, Field(description="A new password; it ends the person's sessions.")] = None
    is_platform_admin: Annotated[bool | None, Field(description="Whether the person manages the platform.")] = None
    is_active: Annotated[bool | None, Field(description="false: neither log-ins nor keys work any more.")] = None


class User(BaseModel):
    """A person who can log in."""

    id: Annotated[str, Field(description="Id of the user.", examples=["usr_1f0c2a9155aa"])]
    email: Annotated[str, Field(description="E-mail address.")]
    name: Annotated[str, Field(description="Name shown to people.")]
    is_platform_admin: Annotated[bool, Field(description="Whether the person manages workspaces and users.")]
    is_active: Annotated[bool, Field(description="Whether log-ins and keys work.")]
    created_at: Annotated[datetime, Field(description="When the user was made.")]

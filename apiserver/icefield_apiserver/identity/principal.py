"""The caller of a request, and the dependencies by which a route says whom it admits.

A `Caller` is someone whose token is good; a `Principal` is a caller inside one workspace. Nearly every route wants
the latter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from icefield_apiserver.errors import Forbidden, Unauthorized
from icefield_crds import Role, Workspace

from .session_tokens import Session

if TYPE_CHECKING:
    from .authentication import Authenticator

CallerKind = Literal["user", "api_key", "run"]

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.ADMIN))}

bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="A log-in token, an API key or a run's token.")


@dataclass(frozen=True)
class Principal:
    """A caller inside one workspace.

    Attributes:
        person: e-mail address, or `run:<name>` for a run's own token.
        kind: what the token is.
        workspace: slug of the workspace in which the request acts.
        role: what the caller may do there.
        is_platform_admin: whether the caller manages workspaces and users; only ever true of a log-in.
        run_uid: metadata.uid of the Run whose token this is.
    """

    person: str
    kind: CallerKind
    workspace: str
    role: Role
    is_platform_admin: bool = False
    run_uid: str | None = None

    def may(self, role: Role) -> bool:
        """Say whether the caller has this role in the workspace, or a higher one."""
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True)
class Caller:
    """Someone whose token is good, and the workspace in which the request acts, if there is any.

    Attributes:
        user_id: id of the user; None for a run's own token.
        name: name shown to people.
        workspace: where the request acts; None for a user who is a member of none.
        session: what the token says, where it is one of a log-in.
        is_catalog_only: whether the token opens the catalog (/iceberg) and nothing else.
    """

    person: str
    kind: CallerKind
    name: str = ""
    user_id: str | None = None
    is_platform_admin: bool = False
    run_uid: str | None = None
    workspace: Workspace | None = None
    role: Role | None = None
    session: Session | None = None
    is_catalog_only: bool = False

    @property
    def principal(self) -> Principal | None:
        """The caller in the workspace; None when there is none."""
        if self.workspace is None or self.role is None:
            return None
        return Principal(
            person=self.person,
            kind=self.kind,
            workspace=self.workspace.metadata.name,
            role=self.role,
            is_platform_admin=self.is_platform_admin,
            run_uid=self.run_uid,
        )


async def current_caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    x_workspace_slug: Annotated[
        str | None,
        Header(description="Workspace in which to act, for log-in tokens; keys and run tokens are bound to theirs."),
    ] = None,
) -> Caller:
    """Return who calls.

    Raises:
        Unauthorized: no token, or not one that is good now.
        NotFound: the workspace asked for does not exist, or is not the caller's.
        Forbidden: the token opens the catalog only.
    """
    if credentials is None:
        raise Unauthorized
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.authenticate(credentials.credentials, x_workspace_slug or None)
    if caller.is_catalog_only:
        raise Forbidden("This token opens only the catalog.")
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]


async def current_principal(caller: CurrentCaller) -> Principal:
    """Return the caller in the workspace in which the request acts.

    Raises:
        Forbidden: the caller is a member of no workspace.
    """
    if (principal := caller.principal) is None:
        raise Forbidden("You are not a member of any workspace.")
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


def require(role: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Return a dependency that admits callers with this role in the workspace, or a higher one."""

    async def admitted(principal: CurrentPrincipal) -> Principal:
        if not principal.may(role):
            raise Forbidden(f"This needs the role {role.value}; yours is {principal.role.value}.")
        return principal

    return admitted


Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Editor = Annotated[Principal, Depends(require(Role.EDITOR))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


async def require_platform_admin(caller: CurrentCaller) -> Caller:
    """Admit platform administrators who logged in.

    Raises:
        Forbidden: anyone else; an API key has power in its workspace only, whosever it is.
    """
    if caller.is_platform_admin:
        return caller
    if caller.kind == "api_key":
        raise Forbidden("An API key works in its workspace only; log in to manage the platform.")
    raise Forbidden("This needs a platform administrator.")


async def require_login(caller: CurrentCaller) -> Caller:
    """Admit people who logged in: a key must not beget keys that outlive it.

    Raises:
        Forbidden: the token is an API key's or a run's.
    """
    if caller.kind != "user":
        raise Forbidden("This needs a log-in with e-mail address and password; no other token will do.")
    return caller


LoggedIn = Annotated[Caller, Depends(require_login)]
PlatformAdmin = Annotated[Caller, Depends(require_platform_admin)]

"""FastAPI dependencies that authenticate and authorize the caller. Nearly every route takes a `Principal`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from icefield_apiserver.core.errors import Forbidden, Unauthorized
from icefield_apiserver.core.feature import Services
from icefield_apiserver.core.routes import before_body
from icefield_crds import Role

from .authentication import Authenticator
from .principal import Caller, Principal

WORKSPACE_HEADER = "x-workspace-slug"

bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="A log-in token, an API key or a run's token.")


async def identify(request: Request) -> Caller:
    """Return the caller of a request, authenticated once; only its headers are read.

    Raises:
        Unauthorized: there is no token, or it is not valid.
        NotFound: the requested workspace does not exist, or is not the caller's.
        Forbidden: the token is valid for the catalog only.
    """
    if not hasattr(request.state, "caller"):
        request.state.caller = await _authenticated(request)
    caller: Caller = request.state.caller
    return caller


async def _authenticated(request: Request) -> Caller:
    if (credentials := await bearer(request)) is None:
        raise Unauthorized
    services: Services = request.app.state.services
    workspace = request.headers.get(WORKSPACE_HEADER) or None
    caller = await services.get(Authenticator).authenticate(credentials.credentials, workspace)
    if caller.is_catalog_only:
        raise Forbidden("This token is valid for the catalog only.")
    return caller


@before_body(identify)
async def current_caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    slug: Annotated[
        str | None,
        Header(
            alias=WORKSPACE_HEADER,
            description="Workspace in which to act, for log-in tokens; keys and run tokens are bound to theirs.",
        ),
    ] = None,
) -> Caller:
    """Return the caller; see `identify`. The other parameters are what OpenAPI says of it."""
    return await identify(request)


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
        Forbidden: any other caller; an API key is valid in its workspace only, even an administrator's.
    """
    if caller.is_platform_admin:
        return caller
    if caller.kind == "api_key":
        raise Forbidden("An API key works in its workspace only; log in to manage the platform.")
    raise Forbidden("This needs a platform administrator.")


async def require_login(caller: CurrentCaller) -> Caller:
    """Admit users who logged in: a key must not create keys that outlive it.

    Raises:
        Forbidden: the token is an API key's or a run's.
    """
    if caller.kind != "user":
        raise Forbidden("This needs a log-in with e-mail address and password; no other token will do.")
    return caller


LoggedIn = Annotated[Caller, Depends(require_login)]
PlatformAdmin = Annotated[Caller, Depends(require_platform_admin)]

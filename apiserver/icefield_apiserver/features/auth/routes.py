"""Authentication: log-ins, the caller, API keys (API reference, "Authentication")."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from icefield_apiserver.core.bodies import CREDENTIALS_BYTES
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity import models
from icefield_apiserver.identity.dependencies import CurrentCaller, LoggedIn
from icefield_apiserver.identity.login import Logins

from .schemas import (
    AccessToken,
    ApiKey,
    CreatedApiKey,
    CurrentWorkspace,
    Login,
    Me,
    Membership,
    NewApiKey,
    PasswordChange,
)
from .service import AccountService

router = Router(prefix="/auth", tags=["Authentication"])

CurrentLogins = Annotated[Logins, Depends(provided(Logins))]
CurrentAccounts = Annotated[AccountService, Depends(provided(AccountService))]


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Address = Annotated[str, Depends(_address)]


@router.post(
    "/login",
    max_body_size=CREDENTIALS_BYTES,
    summary="Exchange e-mail address and password for a short-lived token",
)
async def login(body: Login, logins: CurrentLogins, address: Address) -> AccessToken:
    """Five minutes with too many failures end in 429 with Retry-After."""
    return _issued(await logins.login(body.email, body.password, address), logins)


@router.post("/refresh", summary="Issue a fresh token before the current one expires")
async def refresh_token(caller: LoggedIn, logins: CurrentLogins) -> AccessToken:
    """The token that was sent stays valid until it expires."""
    assert caller.session is not None  # noqa: S101 - every log-in has one
    return _issued(logins.refresh(caller.session), logins)


@router.post("/password", summary="Change one's own password")
async def change_password(
    body: PasswordChange, caller: LoggedIn, logins: CurrentLogins, address: Address
) -> AccessToken:
    """All log-in tokens issued so far are revoked; the answer is a fresh one. API keys stay valid."""
    return _issued(
        await logins.change_password(caller.person, body.current_password, body.new_password, address), logins
    )


@router.get("/me", summary="Read the caller and the workspace in which the request acts")
async def read_me(caller: CurrentCaller, accounts: CurrentAccounts) -> Me:
    """A key and a run's token see the one workspace to which they are bound."""
    return Me(
        email=caller.person,
        name=caller.name,
        kind=caller.kind,
        role=caller.role,
        is_platform_admin=caller.is_platform_admin,
        workspace=CurrentWorkspace(slug=caller.workspace.metadata.name, namespace=caller.workspace.namespace)
        if caller.workspace
        else None,
        workspaces=[
            Membership(slug=workspace.metadata.name, namespace=workspace.namespace, role=role)
            for workspace, role in accounts.workspaces(caller)
        ],
    )


@router.get("/keys", summary="List one's API keys")
async def list_api_keys(caller: LoggedIn, accounts: CurrentAccounts, window: CurrentWindow) -> Page[ApiKey]:
    """Those of the caller in all workspaces; the keys themselves are never shown again."""
    return await accounts.page_of_keys(caller, window, lambda row: ApiKey(**_fields(row)))


@router.post("/keys", status_code=201, summary="Create an API key")
async def create_api_key(body: NewApiKey, caller: LoggedIn, accounts: CurrentAccounts) -> CreatedApiKey:
    """It acts for the caller in one workspace, with the caller's role there at the time of use."""
    lifetime = timedelta(seconds=body.expires_in) if body.expires_in else None
    row, key = await accounts.create_key(caller, body.name, body.workspace, lifetime)
    return CreatedApiKey(**_fields(row), key=key)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_api_key(key_id: str, caller: LoggedIn, accounts: CurrentAccounts) -> None:
    """It is refused from now on."""
    await accounts.revoke_key(caller, key_id)


def _issued(token: str, logins: Logins) -> AccessToken:
    return AccessToken(access_token=token, expires_in=logins.lifetime_seconds)


def _fields(row: models.ApiKey) -> dict[str, object]:
    return {name: getattr(row, name) for name in ApiKey.model_fields}

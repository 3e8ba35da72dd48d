"""Authentication: log-ins, who one is, API keys (API reference, "Authentication")."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from icefield_apiserver.db import models as tables
from icefield_apiserver.db.pages import after_text, page_of_rows
from icefield_apiserver.errors import BadRequest, NotFound
from icefield_apiserver.identity import api_keys, membership
from icefield_apiserver.identity.principal import Caller, CurrentCaller, LoggedIn
from icefield_apiserver.pagination import CurrentWindow, Page
from icefield_apiserver.schemas.identity import (
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
from icefield_apiserver.settings import Settings
from icefield_apiserver.state import CurrentCluster, CurrentDatabase, CurrentLogins
from icefield_crds import Workspace

router = APIRouter(prefix="/auth", tags=["Authentication"])


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _lifetime(request: Request) -> int:
    settings: Settings = request.app.state.settings
    return settings.session_lifetime_seconds


Address = Annotated[str, Depends(_address)]
Lifetime = Annotated[int, Depends(_lifetime)]


@router.post("/login", summary="Exchange e-mail address and password for a short-lived token")
async def login(body: Login, logins: CurrentLogins, address: Address, lifetime: Lifetime) -> AccessToken:
    """Five minutes with too many failures end in 429 with Retry-After."""
    return AccessToken(access_token=await logins.login(body.email, body.password, address), expires_in=lifetime)


@router.post("/refresh", summary="Issue a fresh token before the current one expires")
async def refresh_token(caller: LoggedIn, logins: CurrentLogins, lifetime: Lifetime) -> AccessToken:
    """The token sent stays good until it expires."""
    assert caller.session is not None  # noqa: S101 - every log-in has one
    return AccessToken(access_token=logins.refresh(caller.session), expires_in=lifetime)


@router.post("/password", summary="Change one's own password")
async def change_password(
    body: PasswordChange, caller: LoggedIn, logins: CurrentLogins, address: Address, lifetime: Lifetime
) -> AccessToken:
    """Every log-in token so far ends; the answer is a fresh one. API keys stay."""
    token = await logins.change_password(caller.person, body.current_password, body.new_password, address)
    return AccessToken(access_token=token, expires_in=lifetime)


@router.get("/me", summary="Who calls, and in which workspace the request acts")
async def read_me(caller: CurrentCaller, cluster: CurrentCluster) -> Me:
    """A key and a run's token see the one workspace to which they are bound."""
    inside = [(caller.workspace, caller.role)] if caller.workspace and caller.role else []
    if caller.kind == "user":
        inside = list(
            membership.workspaces_of(
                cluster.workspace_directory, caller.person, is_platform_admin=caller.is_platform_admin
            )
        )
    return Me(
        email=caller.person,
        name=caller.name,
        kind=caller.kind,
        role=caller.role,
        is_platform_admin=caller.is_platform_admin,
        workspace=CurrentWorkspace(slug=caller.workspace.metadata.name, namespace=caller.workspace.namespace)
        if caller.workspace
        else None,
        workspaces=[Membership(slug=w.metadata.name, namespace=w.namespace, role=role) for w, role in inside],
    )


@router.get("/keys", summary="List one's API keys")
async def list_api_keys(caller: LoggedIn, db: CurrentDatabase, window: CurrentWindow) -> Page[ApiKey]:
    """Those of the caller in all workspaces; the keys themselves are never shown again."""
    async with db.session() as session:
        rows = await api_keys.page(session, _user_id(caller), after=after_text(window), limit=window.limit + 1)
    return page_of_rows(rows, window, lambda row: row.id, lambda row: ApiKey(**_fields(row)))


@router.post("/keys", status_code=201, summary="Create an API key")
async def create_api_key(
    body: NewApiKey, caller: LoggedIn, db: CurrentDatabase, cluster: CurrentCluster
) -> CreatedApiKey:
    """It acts for the caller in one workspace, with the role that the caller has there at the time of use."""
    workspace = caller.workspace
    if body.workspace is not None:
        workspace = membership.find(cluster.workspace_directory, body.workspace)
        if workspace is None or not _is_member(caller, workspace):
            raise NotFound(f"There is no workspace called {body.workspace}.")
    if workspace is None:
        raise BadRequest("You are not a member of any workspace that the key could open.")
    lifetime = timedelta(seconds=body.expires_in) if body.expires_in else None
    async with db.session() as session:
        row, key = await api_keys.create(
            session,
            user_id=_user_id(caller),
            name=body.name,
            workspace=workspace,
            expires_at=tables.now() + lifetime if lifetime else None,
        )
    return CreatedApiKey(**_fields(row), key=key)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_api_key(key_id: str, caller: LoggedIn, db: CurrentDatabase) -> None:
    """It is refused from now on."""
    async with db.session() as session:
        await api_keys.revoke(session, _user_id(caller), key_id)


def _user_id(caller: Caller) -> str:
    assert caller.user_id is not None  # noqa: S101 - every log-in has one
    return caller.user_id


def _is_member(caller: Caller, workspace: Workspace) -> bool:
    return membership.role_in(workspace, caller.person, is_platform_admin=caller.is_platform_admin) is not None


def _fields(row: tables.ApiKey) -> dict[str, object]:
    return {name: getattr(row, name) for name in ApiKey.model_fields}

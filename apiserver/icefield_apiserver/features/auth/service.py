"""The caller's own account: the workspaces that a token opens, and API keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory, workspace_not_found
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity import api_keys, membership
from icefield_apiserver.identity.models import ApiKey
from icefield_apiserver.identity.principal import Caller
from icefield_crds import Role, Workspace

T = TypeVar("T")


class AccountService:
    """What callers read and change of their own account.

    Args:
        db: the database, for API keys.
        workspaces: the Workspaces, for membership.
    """

    def __init__(self, db: Database, workspaces: WorkspaceDirectory) -> None:
        self._db = db
        self._workspaces = workspaces

    def workspaces(self, caller: Caller) -> list[tuple[Workspace, Role]]:
        """Return the workspaces that the caller's token opens, by name, each with the role there."""
        if caller.kind == "user":
            return membership.workspaces_of(self._workspaces, caller.person, is_platform_admin=caller.is_platform_admin)
        return [(caller.workspace, caller.role)] if caller.workspace and caller.role else []

    async def page_of_keys(self, caller: Caller, window: Window, shape: Callable[[ApiKey], T]) -> Page[T]:
        """Return a page of the caller's API keys in all workspaces, by id."""
        async with self._db.session() as session:
            rows = await api_keys.page(session, _user_id(caller), after=after_text(window), limit=window.limit + 1)
        return page_of_rows(rows, window, lambda row: row.id, shape)

    async def create_key(
        self, caller: Caller, name: str, workspace: str | None, lifetime: timedelta | None
    ) -> tuple[ApiKey, str]:
        """Create an API key of the caller; return its record and the key itself.

        Args:
            caller: a user who logged in.
            name: what the key is for.
            workspace: slug or id of the workspace that the key opens; the request's own when None.
            lifetime: how long the key is valid; without end when None.

        Raises:
            NotFound: the workspace does not exist, or the caller is not a member.
            BadRequest: no workspace is named, and the caller is a member of none.
        """
        bound = caller.workspace if workspace is None else self._joined(caller, workspace)
        if bound is None:
            raise BadRequest("You are not a member of any workspace that the key could open.")
        async with self._db.session() as session:
            return await api_keys.create(
                session,
                user_id=_user_id(caller),
                name=name,
                workspace=bound,
                expires_at=now() + lifetime if lifetime else None,
            )

    async def revoke_key(self, caller: Caller, key_id: str) -> None:
        """Delete one of the caller's API keys.

        Raises:
            NotFound: the caller has no such key.
        """
        async with self._db.session() as session:
            await api_keys.revoke(session, _user_id(caller), key_id)

    def _joined(self, caller: Caller, slug_or_id: str) -> Workspace:
        workspace = self._workspaces.find(slug_or_id)
        if workspace is None or membership.role_of(caller, workspace) is None:
            raise workspace_not_found(slug_or_id)
        return workspace


def _user_id(caller: Caller) -> str:
    assert caller.user_id is not None  # noqa: S101 - every log-in has one
    return caller.user_id

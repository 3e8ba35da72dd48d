"""From a bearer token to the caller, and the workspace in which the request acts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jwt

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.errors import Unauthorized
from icefield_apiserver.core.kube.store import Store
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory, workspace_not_found
from icefield_apiserver.core.shared_lookups import SharedLookups
from icefield_crds import Role, Run, Workspace
from icefield_crds.names import PERSON_ANNOTATION

from . import api_keys, membership, users
from .models import User
from .principal import Caller
from .run_tokens import RunTokens
from .session_tokens import SessionTokens

REFUSED = "The token is invalid, expired or revoked."


class Authenticator:
    """Finds the caller of a request. Nothing is cached between requests: a revoked token is refused at once.

    Requests with the same key that arrive together share one look into the database, which begins after they arrived.

    Args:
        db: users and keys.
        sessions: reads log-in tokens.
        run_tokens: reads the tokens of runs.
        workspaces: the Workspaces, for membership.
        runs: the Runs, whose tokens expire with them.
    """

    def __init__(
        self,
        db: Database,
        sessions: SessionTokens,
        run_tokens: RunTokens,
        workspaces: WorkspaceDirectory,
        runs: Store[Run],
    ) -> None:
        self._db = db
        self._sessions = sessions
        self._run_tokens = run_tokens
        self._workspaces = workspaces
        self._runs = runs
        self._keys = SharedLookups(partial(api_keys.verify, db))

    async def authenticate(self, token: str, workspace: str | None) -> Caller:
        """Return the caller.

        Args:
            token: the bearer token.
            workspace: slug or id of the requested workspace (X-Workspace-Slug); None for the token's own.

        Raises:
            Unauthorized: the token is not valid.
            NotFound: the workspace does not exist, or is not the caller's.
        """
        if token.startswith(api_keys.PREFIX):
            return await self._by_api_key(token, workspace)
        if _algorithm(token) == "EdDSA":
            return await self._by_run_token(token, workspace)
        return await self._by_session(token, workspace)

    async def _by_session(self, token: str, workspace: str | None) -> Caller:
        if (session := self._sessions.read(token)) is None:
            raise Unauthorized(REFUSED)
        async with self._db.session() as transaction:
            user = await transaction.get(User, session.user_id)
        if user is None or not user.is_active or user.session_epoch != session.epoch:
            raise Unauthorized(REFUSED)
        caller = Caller(
            person=user.email,
            kind="user",
            name=user.name,
            user_id=user.id,
            is_platform_admin=user.is_platform_admin,
            session=session,
        )
        if workspace is not None:
            return self._inside(caller, workspace, is_platform_admin=user.is_platform_admin)
        own = membership.workspaces_of(self._workspaces, user.email, is_platform_admin=user.is_platform_admin)
        if not own:
            return caller
        return replace(caller, workspace=own[0][0], role=own[0][1])

    async def _by_api_key(self, key: str, workspace: str | None) -> Caller:
        found = await self._keys.get(key)
        if found is None:
            raise Unauthorized(REFUSED)
        caller = Caller(person=found.email, kind="api_key", name=found.name, user_id=found.user_id)
        bound = self._bound_to(found.workspace, workspace)
        if bound is None or bound.metadata.uid != found.workspace_uid:
            raise Unauthorized(REFUSED)
        role = membership.role_in(bound, found.email, is_platform_admin=found.is_platform_admin)
        if role is None:
            raise Unauthorized(REFUSED)
        return replace(caller, workspace=bound, role=role)

    async def _by_run_token(self, token: str, workspace: str | None) -> Caller:
        if (claims := self._run_tokens.read(token)) is None:
            raise Unauthorized(REFUSED)
        run = self._runs.by_uid(claims.run_uid)
        bound = self._bound_to(claims.workspace, workspace)
        if run is None or run.phase.is_terminal or bound is None or run.metadata.namespace != bound.namespace:
            raise Unauthorized(REFUSED)
        person = run.metadata.annotations.get(PERSON_ANNOTATION, "")
        return Caller(
            started_by=person,
            started_by_admin=await self._is_admin(bound, person),
            person=f"run:{run.metadata.name}",
            kind="run",
            name=run.metadata.name,
            run_uid=claims.run_uid,
            workspace=bound,
            role=Role(claims.role),
            is_catalog_only=claims.is_catalog_only,
            task=claims.task,
            attempt=claims.attempt,
        )

    async def _is_admin(self, workspace: Workspace, person: str) -> bool:
        """Return whether a person may everything in a workspace; not asked where there are no grants to look up."""
        if not person or not workspace.spec.grants:
            return False
        role = membership.role_in(workspace, person, is_platform_admin=False)
        if role is None:
            async with self._db.session() as session:
                user = await users.by_email(session, person)
            return user is not None and user.is_active and user.is_platform_admin
        return role is Role.ADMIN

    def _inside(self, caller: Caller, slug: str, *, is_platform_admin: bool) -> Caller:
        workspace = self._workspaces.find(slug)
        if workspace is None:
            raise workspace_not_found(slug)
        role = membership.role_in(workspace, caller.person, is_platform_admin=is_platform_admin)
        if role is None:
            raise workspace_not_found(slug)
        return replace(caller, workspace=workspace, role=role)

    def _bound_to(self, slug: str, requested: str | None) -> Workspace | None:
        """Return the workspace to which a token is bound; any other requested workspace does not exist for it."""
        workspace = self._workspaces.get(slug)
        if requested is not None and requested != slug and (workspace is None or requested != workspace.public_id):
            raise workspace_not_found(requested)
        return workspace


def _algorithm(token: str) -> str | None:
    """Return the algorithm that the token's header names; each kind is verified with its own key and algorithm only."""
    try:
        return jwt.get_unverified_header(token).get("alg")
    except jwt.InvalidTokenError:
        return None

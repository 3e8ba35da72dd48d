"""The credentials of a Workspace's pods: object store keys, access to its catalog, the token of its warehouses."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icefield_crds import Workspace, names
from icefield_operator.cluster import Cluster
from icefield_operator.objectstore import member_users
from icefield_operator.objectstore.access import IssuedKeys, Users, supplied_credentials
from icefield_operator.objectstore.config import Access, Credentials
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.problem import Problem
from icefield_operator.secrets import read_secret

from . import build, resolve
from .catalog import WorkspaceCatalogs
from .cluster_policies import ClusterPolicies
from .ownership import DataOwnership

TOKEN_BYTES = 32


@dataclass(frozen=True)
class Applied:
    """What a pass did.

    Attributes:
        problem: what keeps the workspace from its data.
        next_pass: when the next is due though nothing changes.
    """

    problem: Problem | None = None
    next_pass: timedelta | None = None


class WorkspaceCredentials:
    """Creates users and catalog, and applies their credentials as Secrets of the namespace."""

    def __init__(
        self,
        cluster: Cluster,
        store: ObjectStore,
        users: Users,
        cluster_policies: ClusterPolicies,
        catalogs: WorkspaceCatalogs,
    ) -> None:
        """Initialize.

        Args:
            cluster: where the Secrets go.
            store: the platform's bucket.
            users: who makes object store users.
            cluster_policies: what is computed from all workspaces.
            catalogs: who makes catalogs.
        """
        self._cluster = cluster
        self._store = store
        self._users = users
        self._cluster_policies = cluster_policies
        self._catalogs = catalogs
        self._ownership = DataOwnership(store)

    async def apply(self, workspace: Workspace) -> Applied:
        """Apply the credentials of a workspace that are missing or outdated.

        Raises:
            ObjectStoreError: the object store is unavailable or refuses, or credentials were not supplied.
            CatalogError: the same of the catalog.
        """
        await self._apply_warehouse_token(workspace)
        await self._store.ensure_bucket()
        held = await resolve.held_credentials(workspace, Access.READ_WRITE, self._cluster)
        if problem := await self._ownership.claim(workspace, has_keys=held is not None):
            return Applied(problem)
        keys = await self._keys(workspace, Access.READ_WRITE)
        reader = await self._keys(workspace, Access.READ_ONLY)
        now = datetime.now(UTC)
        members = await self._keys_of_members(workspace, now)
        await self._cluster_policies.apply_bucket_policy()
        # Once the policy knows them: keys that are handed out open something.
        await self._apply_members(workspace, members)
        await self._apply_keys(workspace, Access.READ_ONLY, reader)
        await self._apply_keys(workspace, Access.READ_WRITE, keys)
        if keys:
            await self._catalogs.apply(workspace, keys)
        return Applied(next_pass=members.issued.until_next_change(now) if members else None)

    async def _keys(self, workspace: Workspace, access: Access) -> Credentials | None:
        """Return the workspace's credentials; None for a reader's that the platform team does not supply."""
        if supplied := workspace.spec.object_store:
            is_reader = access is Access.READ_ONLY
            name = supplied.reader_credentials_secret if is_reader else supplied.credentials_secret
            return await supplied_credentials(name, resolve.system_secrets(self._cluster)) if name else None
        held = await resolve.held_credentials(workspace, access, self._cluster)
        return await self._users.ensure(workspace.metadata.name, access, held)

    async def _keys_of_members(self, workspace: Workspace, now: datetime) -> IssuedKeys | None:
        if workspace.spec.object_store:
            return None
        issued = await resolve.issued_keys(workspace, self._cluster)
        members = member_users.accesses(workspace)
        return await self._users.ensure_members(workspace.metadata.name, members, issued, now)

    async def _apply_members(self, workspace: Workspace, keys: IssuedKeys | None) -> None:
        if keys is None:
            await self._cluster.delete("Secret", workspace.namespace, names.OBJECT_STORE_MEMBERS_SECRET)
        else:
            await self._cluster.apply(build.members_secret(workspace, keys))

    async def _apply_keys(self, workspace: Workspace, access: Access, keys: Credentials | None) -> None:
        if keys:
            secret = build.object_store_secret(workspace, self._store.config, access, keys)
            await self._cluster.apply(secret)
        else:
            # No longer supplied.
            await self._cluster.delete("Secret", workspace.namespace, build.KEY_SECRETS[access])

    async def _apply_warehouse_token(self, workspace: Workspace) -> None:
        held = await read_secret(self._cluster, workspace.namespace, names.WAREHOUSE_TOKEN_SECRET) or {}
        token = held.get(build.TOKEN_KEY) or secrets.token_urlsafe(TOKEN_BYTES)
        await self._cluster.apply(build.warehouse_token_secret(workspace, token))

"""What the pods of a Workspace are given: keys of the object store, an Iceberg catalog, the token of its warehouses."""

from __future__ import annotations

import secrets

from icefield_crds import Workspace, names
from icefield_operator.cluster import Cluster
from icefield_operator.objectstore.access import Users, supplied_credentials
from icefield_operator.objectstore.config import Access, Credentials
from icefield_operator.objectstore.store import ObjectStore

from . import build, resolve
from .catalog import WorkspaceCatalogs
from .shared import Shared

TOKEN_BYTES = 32


class WorkspaceAccess:
    """Makes users and catalog where they are kept, and hands them to the namespace as Secrets."""

    def __init__(
        self, cluster: Cluster, store: ObjectStore, users: Users, shared: Shared, catalogs: WorkspaceCatalogs
    ) -> None:
        """Make one.

        Args:
            cluster: where the Secrets go.
            store: the platform's bucket.
            users: who makes object store users.
            shared: what is computed from all workspaces.
            catalogs: who makes catalogs.
        """
        self._cluster = cluster
        self._store = store
        self._users = users
        self._shared = shared
        self._catalogs = catalogs

    async def settle(self, workspace: Workspace) -> None:
        """Give a workspace, in its namespace, whatever of it is missing or outdated.

        Raises:
            ObjectStoreError: the object store is away or refuses, or credentials were not supplied.
            CatalogError: the same of the catalog.
        """
        await self._settle_warehouse_token(workspace)
        await self._store.ensure_bucket()
        keys = await self._keys(workspace, Access.READ_WRITE)
        reader = await self._keys(workspace, Access.READ_ONLY)
        await self._shared.settle_policy()
        await self._apply_keys(workspace, Access.READ_ONLY, reader)
        await self._apply_keys(workspace, Access.READ_WRITE, keys)
        if keys:
            await self._catalogs.settle(workspace, keys)

    async def _keys(self, workspace: Workspace, access: Access) -> Credentials | None:
        """Return the workspace's credentials; None for a reader's that the platform team does not supply."""
        if supplied := workspace.spec.object_store:
            is_reader = access is Access.READ_ONLY
            name = supplied.reader_credentials_secret if is_reader else supplied.credentials_secret
            return await supplied_credentials(name, resolve.system_secrets(self._cluster)) if name else None
        held = await resolve.held_credentials(workspace, access, self._cluster)
        return await self._users.ensure(workspace.metadata.name, access, held)

    async def _apply_keys(self, workspace: Workspace, access: Access, keys: Credentials | None) -> None:
        if keys:
            secret = build.object_store_secret(workspace, self._store.config, access, keys)
            await self._cluster.apply(secret)
        else:
            # Supplied once, and not any more.
            await self._cluster.delete("Secret", workspace.namespace, build.KEY_SECRETS[access])

    async def _settle_warehouse_token(self, workspace: Workspace) -> None:
        held = await resolve.read_secret(self._cluster, workspace.namespace, names.WAREHOUSE_TOKEN_SECRET) or {}
        token = held.get(build.TOKEN_KEY) or secrets.token_urlsafe(TOKEN_BYTES)
        await self._cluster.apply(build.warehouse_token_secret(workspace, token))

"""The clean-up of a deleted Workspace: its namespace first, so that nothing writes; then the rest."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from icefield_crds import Workspace, format_time, object_store
from icefield_kube.errors import KubernetesError
from icefield_operator.catalog.provider import CatalogError
from icefield_operator.cluster import Cluster
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.objectstore.access import Users
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import ObjectStore

from . import build, resolve, status
from .catalog import WorkspaceCatalogs
from .cluster_policies import ClusterPolicies
from .finalizer import has_finalizer, remove_finalizer

log = logging.getLogger(__name__)

LIMIT = timedelta(minutes=30)
"""How long after its deletion a Workspace may wait for its cleanup; then an event reports what is left."""

BATCHES_PER_PASS = 10
"""Each deletes up to a thousand objects; then other keys get their turn."""

DELETE_INTERVAL = timedelta(seconds=2)
RETRY_INTERVAL = timedelta(seconds=10)


class Cleanup:
    """Removes what a deleted Workspace leaves behind, a bounded piece with each pass."""

    def __init__(
        self,
        cluster: Cluster,
        store: ObjectStore,
        users: Users,
        catalogs: WorkspaceCatalogs,
        cluster_policies: ClusterPolicies,
        logs: LogArchive,
        limit: timedelta = LIMIT,
    ) -> None:
        """Initialize.

        Args:
            cluster: where the namespace is.
            store: where the prefixes are.
            users: who made the workspace's credentials.
            catalogs: who made the workspace's catalog.
            cluster_policies: what is computed from all workspaces.
            logs: what may still be writing below the log prefix.
            limit: how long after its deletion a Workspace may wait.
        """
        self._cluster = cluster
        self._store = store
        self._users = users
        self._catalogs = catalogs
        self._cluster_policies = cluster_policies
        self._logs = logs
        self._limit = limit

    async def advance(self, workspace: Workspace) -> timedelta | None:
        """Make one pass over a deleted Workspace; return when the next is due, or None when it is released."""
        if not has_finalizer(workspace):
            return None
        now = datetime.now(UTC)
        left, again = await self._delete_next(workspace)
        if left is None:
            await remove_finalizer(workspace, self._cluster)
            return None
        if now - (workspace.metadata.deletion_timestamp or now) > self._limit:
            await self._give_up(workspace, left, now)
            return None
        await self._cluster.write_status(workspace, status.deleting(workspace, left, now))
        return again

    async def _delete_next(self, workspace: Workspace) -> tuple[str | None, timedelta]:
        """Delete a part; return a message of what is left, and when the next pass is due."""
        facts = await resolve.facts(workspace, self._cluster)
        if facts.owns_namespace:
            if not facts.namespace_is_deleting:
                await self._cluster.delete("Namespace", None, workspace.namespace)
            return f"waiting for namespace {workspace.namespace} to be deleted", DELETE_INTERVAL
        await self._cluster_policies.apply_impersonator_role()
        await self._logs.abandon(workspace.metadata.name)
        try:
            # Before its files: a catalog must not name tables that no longer exist.
            await self._catalogs.remove(workspace)
        except CatalogError as error:
            return f"its catalog is not dropped yet: {error}", RETRY_INTERVAL
        try:
            if workspace.spec.object_store is None:
                # The policy first: it may name no user that does not exist.
                await self._cluster_policies.apply_bucket_policy()
                await self._users.remove(workspace.metadata.name)
            return (
                None if await self._delete_objects(workspace.metadata.name) else "deleting objects"
            ), DELETE_INTERVAL
        except ObjectStoreError as error:
            return f"its objects are not deleted yet: {error}", RETRY_INTERVAL

    async def _delete_objects(self, slug: str) -> bool:
        for _ in range(BATCHES_PER_PASS):
            deleted = 0
            for prefix in (object_store.workspace_prefix(slug), object_store.logs_prefix(slug)):
                deleted += await self._store.delete_some(f"{prefix}/")
            if deleted == 0:
                return True
        return False

    async def _give_up(self, workspace: Workspace, left: str, now: datetime) -> None:
        message = f"given up after {self._limit}: {left}"
        log.error("Workspace %s: %s", workspace.metadata.name, message)
        try:
            await self._cluster.create(build.cleanup_event(workspace, message, format_time(now)))
        except KubernetesError as error:
            log.warning("The event about workspace %s was refused: %s", workspace.metadata.name, error)
        await remove_finalizer(workspace, self._cluster)

"""The end of a Workspace: its namespace goes first, so that nothing writes any more; then what lies outside."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Protocol

from icefield_crds import Workspace, format_time, object_store
from icefield_crds.names import WORKSPACE_FINALIZER
from icefield_operator.catalog.provider import CatalogError
from icefield_operator.cluster import Cluster
from icefield_operator.errors import KubernetesError
from icefield_operator.objectstore.access import Users
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.world import Kind

from . import build, resolve, status
from .catalog import WorkspaceCatalogs
from .shared import Shared

log = logging.getLogger(__name__)

LIMIT = timedelta(minutes=30)
"""How long after its deletion a Workspace may wait for its cleanup; then it goes, and an event tells what is left."""

BATCHES_PER_PASS = 10
"""Each deletes up to a thousand objects; then others get their turn."""

SOON = timedelta(seconds=2)
LOOK_AGAIN = timedelta(seconds=10)


class Logs(Protocol):
    """What archives logs; logs.archiver.LogArchiver."""

    async def abandon(self, workspace: str) -> None:
        """Stop archiving logs of a workspace."""
        ...


class Cleanup:
    """Removes what a deleted Workspace leaves behind, a bounded piece with each pass."""

    def __init__(
        self,
        cluster: Cluster,
        store: ObjectStore,
        users: Users,
        catalogs: WorkspaceCatalogs,
        shared: Shared,
        logs: Logs,
        limit: timedelta = LIMIT,
    ) -> None:
        """Make one.

        Args:
            cluster: where the namespace is.
            store: where the prefixes are.
            users: who made the workspace's credentials.
            catalogs: who made the workspace's catalog.
            shared: what is computed from all workspaces.
            logs: what may still be writing below the log prefix.
            limit: how long after its deletion a Workspace may wait.
        """
        self._cluster = cluster
        self._store = store
        self._users = users
        self._catalogs = catalogs
        self._shared = shared
        self._logs = logs
        self._limit = limit

    async def advance(self, workspace: Workspace) -> timedelta | None:
        """Make one pass over a deleted Workspace; return when the next is due, or None when it may go."""
        if WORKSPACE_FINALIZER not in workspace.metadata.finalizers:
            return None
        now = datetime.now(UTC)
        left, again = await self._remaining(workspace)
        if left is None:
            await self._release(workspace)
            return None
        if now - (workspace.metadata.deletion_timestamp or now) > self._limit:
            await self._give_up(workspace, left, now)
            return None
        await self._cluster.write_status(workspace, status.deleting(workspace, left, now))
        return again

    async def _remaining(self, workspace: Workspace) -> tuple[str | None, timedelta]:
        """Remove a piece; return what is left, in words, and when to go on."""
        facts = await resolve.facts(workspace, self._cluster)
        if facts.owns_namespace:
            if not facts.namespace_is_going:
                await self._cluster.delete("Namespace", None, workspace.namespace)
            return f"waiting for namespace {workspace.namespace} to go", SOON
        await self._shared.settle_roles()
        await self._logs.abandon(workspace.metadata.name)
        try:
            # Before its files: a catalog must not name tables that are not there any more.
            await self._catalogs.remove(workspace)
        except CatalogError as error:
            return f"its catalog is not dropped yet: {error}", LOOK_AGAIN
        try:
            if workspace.spec.object_store is None:
                # The policy first: it may name no user that does not exist.
                await self._shared.settle_policy()
                await self._users.remove(workspace.metadata.name)
            return (None if await self._emptied(workspace.metadata.name) else "deleting objects"), SOON
        except ObjectStoreError as error:
            return f"its objects are not deleted yet: {error}", LOOK_AGAIN

    async def _emptied(self, slug: str) -> bool:
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
        await self._release(workspace)

    async def _release(self, workspace: Workspace) -> None:
        metadata = workspace.metadata
        remaining = [finalizer for finalizer in metadata.finalizers if finalizer != WORKSPACE_FINALIZER]
        patch = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "finalizers": remaining,
            }
        }
        await self._cluster.merge_patch(Kind.WORKSPACE, None, metadata.name, patch)

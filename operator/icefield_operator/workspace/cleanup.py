"""The clean-up of a deleted Workspace: its namespace first, so that nothing writes; then its data, as its policy says.

Data that belongs to an earlier workspace of the name (ownership.py) is never touched.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from icefield_crds import ConditionType, Reason, Workspace, format_time, object_store
from icefield_crds.workspace import DeletionPolicy
from icefield_kube.errors import KubernetesError
from icefield_operator.catalog.provider import CatalogError
from icefield_operator.cluster import Cluster
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.objectstore.access import Users
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.deletions import delete_data
from icefield_operator.objectstore.store import ObjectStore

from . import build, resolve, status
from .catalog import WorkspaceCatalogs
from .cleanup_progress import Progress, Remaining, is_given_up, of_namespace
from .cluster_policies import ClusterPolicies
from .finalizer import has_finalizer, remove_finalizer
from .ownership import DataOwnership

log = logging.getLogger(__name__)

LIMIT = timedelta(minutes=30)
"""How long a clean-up may make no progress; then an event, and the next workspace of the name, report what is left."""

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
            limit: how long it may make no progress.
        """
        self._cluster = cluster
        self._store = store
        self._users = users
        self._catalogs = catalogs
        self._cluster_policies = cluster_policies
        self._logs = logs
        self._limit = limit
        self._ownership = DataOwnership(store)

    async def advance(self, workspace: Workspace) -> timedelta | None:
        """Make one pass over a deleted Workspace; return when the next is due, or None when it is released."""
        if not has_finalizer(workspace):
            return None
        now = datetime.now(UTC)
        remaining = await self._delete_next(workspace, now)
        if remaining is None:
            await remove_finalizer(workspace, self._cluster)
            return None
        written = status.deleting(workspace, remaining, now)
        if is_given_up(written.condition(ConditionType.CLEANUP_STALLED), self._limit, now):
            await self._give_up(workspace, remaining.message, now)
            return None
        await self._cluster.write_status(workspace, written)
        return RETRY_INTERVAL if remaining.progress is Progress.NONE else DELETE_INTERVAL

    async def _delete_next(self, workspace: Workspace, now: datetime) -> Remaining | None:
        """Delete a part; return what is left, or None when nothing is."""
        facts = await resolve.facts(workspace, self._cluster)
        if facts.namespace is not None and facts.owns_namespace:
            if not facts.namespace_is_deleting:
                await self._cluster.delete("Namespace", None, workspace.namespace)
            return of_namespace(facts.namespace, now)
        await self._cluster_policies.apply_impersonator_role()
        await self._logs.abandon(workspace.metadata.name)
        try:
            return await self._end_data(workspace)
        except CatalogError as error:
            message = f"its catalog is not dropped yet: {error}"
            return Remaining(Reason.CATALOG_UNAVAILABLE, message, Progress.NONE)
        except ObjectStoreError as error:
            message = f"its objects are not deleted yet: {error}"
            return Remaining(Reason.OBJECT_STORE_UNAVAILABLE, message, Progress.NONE)

    async def _end_data(self, workspace: Workspace) -> Remaining | None:
        """Delete the data, or record that it is retained; nobody reaches it any more."""
        slug = workspace.metadata.name
        owner = await self._ownership.find(slug)
        is_own = owner is None or owner.uid == workspace.metadata.uid
        is_kept = workspace.spec.deletion_policy is DeletionPolicy.RETAIN
        if is_own and not is_kept:
            # Before its files: a catalog must not name tables that no longer exist.
            await self._catalogs.remove(workspace)
        if workspace.spec.object_store is None:
            # The policy first: it may name no user that does not exist.
            await self._cluster_policies.apply_bucket_policy()
            await self._users.remove(slug)
        if not is_own:
            return None
        if is_kept:
            await self._ownership.leave(workspace, "retained as its deletionPolicy said")
            return None
        prefixes = [f"{prefix}/" for prefix in (object_store.workspace_prefix(slug), object_store.logs_prefix(slug))]
        if not await delete_data(self._store, workspace.metadata.uid, prefixes, BATCHES_PER_PASS):
            return Remaining(Reason.DELETING_OBJECTS, "deleting objects", Progress.MADE)
        await self._ownership.release(slug)
        return None

    async def _give_up(self, workspace: Workspace, left: str, now: datetime) -> None:
        message = f"given up after {self._limit} without progress: {left}"
        log.error("Workspace %s: %s", workspace.metadata.name, message)
        try:
            await self._cluster.create(build.cleanup_event(workspace, message, format_time(now)))
        except KubernetesError as error:
            log.warning("The event about workspace %s was refused: %s", workspace.metadata.name, error)
        try:
            await self._ownership.leave(workspace, f"its clean-up was {message}")
        except ObjectStoreError as error:
            log.warning("What workspace %s left is not recorded: %s", workspace.metadata.name, error)
        await remove_finalizer(workspace, self._cluster)

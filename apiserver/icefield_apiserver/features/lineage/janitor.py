"""Deletes lineage that is older than Workspace.spec.retention says."""

from __future__ import annotations

from datetime import timedelta

from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_crds import Retention

from .store import LineageStore

DELETED_AT_ONCE = 500


class LineageJanitor:
    """Deletes lineage; several processes may do so at once.

    Args:
        store: the lineage.
        workspaces: the Workspaces.
    """

    def __init__(self, store: LineageStore, workspaces: WorkspaceDirectory) -> None:
        self._store = store
        self._workspaces = workspaces

    async def sweep(self) -> None:
        """Delete what is too old; that of a deleted workspace as if it had the defaults.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
        """
        retentions = {workspace.metadata.uid: workspace.spec.retention for workspace in self._workspaces.all()}
        for uid in await self._store.workspace_uids():
            oldest = now() - timedelta(days=retentions.get(uid, Retention()).lineage.days)
            while await self._store.remove_before(uid, oldest, DELETED_AT_ONCE):
                pass

"""Deletes archived logs that are older than Workspace.spec.retention says."""

from __future__ import annotations

from datetime import timedelta

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.db.turns import taking_turns
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.objects.transfers import Bucket
from icefield_crds import Workspace
from icefield_crds.object_store import logs_prefix

TURN = 0x1CEF1E1F
"""Any number that no other turn has (core.db.turns)."""


class LogJanitor:
    """Deletes archived logs by their age, whether their runs are still known or not; one process at a time.

    Args:
        db: where replicas take turns.
        bucket: the platform's bucket.
        cluster: the Workspaces and Runs.
    """

    def __init__(self, db: Database, bucket: Bucket, cluster: Cluster) -> None:
        self._db = db
        self._bucket = bucket
        self._cluster = cluster

    async def sweep(self) -> None:
        """Delete the old logs of every workspace, except of runs that have not ended.

        Raises:
            ObjectStoreError: the store is unavailable.
            sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
        """
        async with taking_turns(self._db, TURN) as turn:
            if turn is not None:
                for workspace in list(self._cluster.workspace_directory.all()):
                    await self._sweep_workspace(workspace)

    async def _sweep_workspace(self, workspace: Workspace) -> None:
        oldest = now() - timedelta(days=workspace.spec.retention.logs.days)
        prefix = f"{logs_prefix(workspace.metadata.name)}/"
        async for page in self._bucket.list(prefix):
            old = [each.key for each in page.objects if each.modified < oldest]
            await self._bucket.delete_many([key for key in old if not self._is_live(key.removeprefix(prefix))])

    def _is_live(self, key: str) -> bool:
        run = self._cluster.runs.store.by_uid(key.partition("/")[0])
        return run is not None and not run.phase.is_terminal

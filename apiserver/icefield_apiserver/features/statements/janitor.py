"""Deletes results that have expired, those of deleted workspaces, and records that are too old."""

from __future__ import annotations

from datetime import timedelta

from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_crds import Retention

from .identifiers import first_id
from .results import ResultStore
from .store import StatementRepository

EXPIRED_AT_ONCE = 200


class Janitor:
    """Deletes results and records; several processes may do so at once.

    Args:
        repository: the records of the statements.
        results: where results are deleted.
        workspaces: the Workspaces.
    """

    def __init__(self, repository: StatementRepository, results: ResultStore, workspaces: WorkspaceDirectory) -> None:
        self._repository = repository
        self._results = results
        self._workspaces = workspaces
        self._known: set[str] | None = None

    async def sweep(self) -> None:
        """Delete what has expired or is too old, and what workspaces deleted since the last call left in records.

        Raises:
            ObjectStoreError: the store is unavailable.
            sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
        """
        await self._forget_deleted_workspaces()
        while expired := await self._repository.expired(EXPIRED_AT_ONCE):
            for statement_id, key in expired:
                if key:  # also of a result in its record, which a link may have put into the store
                    await self._results.delete(key)
                await self._repository.forget_result(statement_id)
        await self._delete_old_records()

    async def _delete_old_records(self) -> None:
        """Delete the records that are older than Workspace.spec.retention says, with their results."""
        retentions = {workspace.metadata.uid: workspace.spec.retention for workspace in self._workspaces.all()}
        for uid in await self._repository.workspace_uids():
            days = retentions.get(uid, Retention()).statements.days
            oldest = first_id(now() - timedelta(days=days))
            while old := await self._repository.ended_before(uid, oldest, EXPIRED_AT_ONCE):
                for _, key in old:
                    if key:
                        await self._results.delete(key)
                await self._repository.delete([statement_id for statement_id, _ in old])

    async def _forget_deleted_workspaces(self) -> None:
        """Objects of a deleted workspace are deleted with its prefix by the operator; its records are ours."""
        if self._known is None:
            self._known = await self._repository.workspaces_with_content()
        existing = {workspace.metadata.uid for workspace in self._workspaces.all()}
        for workspace_uid in self._known - existing:
            await self._repository.forget_content(workspace_uid)
        self._known = existing

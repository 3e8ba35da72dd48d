"""Deletes results that have expired, and those of deleted workspaces."""

from __future__ import annotations

from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory

from .results import ResultStore
from .store import StatementRepository

EXPIRED_AT_ONCE = 200


class Janitor:
    """Deletes results; several processes may do so at once.

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
        """Delete what has expired, and what workspaces that were deleted since the last call left in records.

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

    async def _forget_deleted_workspaces(self) -> None:
        """Objects of a deleted workspace are deleted with its prefix by the operator; its records are ours."""
        if self._known is None:
            self._known = await self._repository.workspaces_with_content()
        existing = {workspace.metadata.uid for workspace in self._workspaces.all()}
        for workspace_uid in self._known - existing:
            await self._repository.forget_content(workspace_uid)
        self._known = existing

"""Records which tables statements and runs read and wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory

from .models import LineageEdge
from .summary import TableAccess


class LineageRecorder:
    """Stores lineage in the database.

    Args:
        db: the database.
        workspaces: the Workspaces.
    """

    def __init__(self, db: Database, workspaces: WorkspaceDirectory) -> None:
        self._db = db
        self._workspaces = workspaces

    def of_statement(
        self,
        statement_id: str,
        workspace_uid: str,
        run_uid: str | None,
        read: Iterable[TableAccess],
        written: Iterable[TableAccess],
    ) -> list[Insert]:
        """Return the INSERTs of a statement's lineage, for the transaction that records its end.

        Empty for a statement that only read and belongs to no run: it connects no tables, and its own record holds
        what it read.
        """
        written = list(written)
        if not written and run_uid is None:
            return []
        rows = _rows(statement_id, workspace_uid, run_uid, "read", read)
        rows += _rows(statement_id, workspace_uid, run_uid, "written", written)
        return [self._insert(rows)] if rows else []

    async def record_run(
        self, workspace: str, run_uid: str, reads: Sequence[TableAccess] = (), writes: Sequence[TableAccess] = ()
    ) -> None:
        """Store what a run read and wrote without a statement, through the catalog; unknown workspaces are ignored.

        Args:
            workspace: slug of the run's workspace.
            run_uid: metadata.uid of the Run.
            reads: the tables read, each with its current snapshot.
            writes: the tables written, each with the committed snapshot.
        """
        found = self._workspaces.get(workspace)
        if found is None:
            return
        rows = _rows(run_uid, found.metadata.uid, run_uid, "read", reads)
        rows += _rows(run_uid, found.metadata.uid, run_uid, "written", writes)
        if rows:
            await self._db.execute(self._insert(rows))

    def _insert(self, rows: list[dict[str, Any]]) -> Insert:
        """Return an INSERT that skips rows stored already."""
        if self._db.engine.dialect.name == "postgresql":
            return postgresql.insert(LineageEdge).values(rows).on_conflict_do_nothing()
        return sqlite.insert(LineageEdge).values(rows).on_conflict_do_nothing()


def _rows(
    source: str, workspace_uid: str, run_uid: str | None, direction: str, accesses: Iterable[TableAccess]
) -> list[dict[str, Any]]:
    moment = now()
    return [
        {
            "source": source,
            "direction": direction,
            "table_name": name[:512],
            "snapshot_id": snapshot or 0,
            "workspace_uid": workspace_uid,
            "run_uid": run_uid,
            "at": moment,
        }
        for name, snapshot in dict.fromkeys(accesses)
    ]

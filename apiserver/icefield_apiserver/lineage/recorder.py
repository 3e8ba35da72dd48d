"""Notes which tables were read and written, for the lineage of runs and of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite

from icefield_apiserver.db import Database
from icefield_apiserver.db.models import LineageEdge, now
from icefield_apiserver.identity.membership import WorkspaceDirectory

from .body import Seen


class LineageRecorder:
    """Writes lineage into the database.

    Args:
        db: where it is kept.
        workspaces: the Workspaces there are.
    """

    def __init__(self, db: Database, workspaces: WorkspaceDirectory) -> None:
        self._db = db
        self._workspaces = workspaces

    def of_statement(
        self, statement_id: str, workspace_uid: str, run_uid: str | None, read: Iterable[Seen], written: Iterable[Seen]
    ) -> list[Insert]:
        """Return what is to be stored of a statement, in the transaction that ends it.

        Nothing of one that only read and belongs to no run: nothing follows from it for other tables, and the
        statement's own record says what it read.
        """
        written = list(written)
        if not written and run_uid is None:
            return []
        rows = _rows(statement_id, workspace_uid, run_uid, "read", read)
        rows += _rows(statement_id, workspace_uid, run_uid, "written", written)
        return [self._insert(rows)] if rows else []

    async def record_run(
        self, workspace: str, run_uid: str, reads: Sequence[Seen] = (), writes: Sequence[Seen] = ()
    ) -> None:
        """Store what a run read and wrote without a statement, through the catalog itself.

        Args:
            workspace: slug of the workspace that the run is in.
            run_uid: metadata.uid of the Run.
            reads: the tables, each as lineage shows it, and the snapshot that was current.
            writes: the tables, each with the snapshot that was made.
        """
        found = self._workspaces.get(workspace)
        if found is None:
            return
        rows = _rows(run_uid, found.metadata.uid, run_uid, "read", reads)
        rows += _rows(run_uid, found.metadata.uid, run_uid, "written", writes)
        if rows:
            await self._db.execute(self._insert(rows))

    def _insert(self, rows: list[dict[str, Any]]) -> Insert:
        """Return an INSERT that passes over what is stored already."""
        if self._db.engine.dialect.name == "postgresql":
            return postgresql.insert(LineageEdge).values(rows).on_conflict_do_nothing()
        return sqlite.insert(LineageEdge).values(rows).on_conflict_do_nothing()


def _rows(
    source: str, workspace_uid: str, run_uid: str | None, direction: str, seen: Iterable[Seen]
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
        for name, snapshot in dict.fromkeys(seen)
    ]

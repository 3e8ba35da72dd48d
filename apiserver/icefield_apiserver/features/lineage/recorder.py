"""Records which tables statements and processes read and wrote, and the edges between the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Executable, select
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory

from .models import LineageAccess
from .units import MAX_FLOWS, CatalogUnit, Dataset, StatementAccess, flows_of_commit, flows_of_statement, flows_of_view
from .writing import LineageWriter, Unit

SOURCES_OF_COMMIT = 500
"""How many of the tables that a process loaded may be sources of a commit; the newest ones."""


@dataclass(frozen=True)
class CommittedTable:
    """A table that a process committed to.

    Attributes:
        dataset: the table.
        snapshot_id: the snapshot that the commit added.
        has_new_rows: whether the snapshot brings rows, and does not only delete or rewrite some.
    """

    dataset: Dataset
    snapshot_id: int
    has_new_rows: bool


class LineageRecorder:
    """Stores lineage in the database.

    Args:
        db: the database.
        workspaces: the Workspaces.
    """

    def __init__(self, db: Database, workspaces: WorkspaceDirectory) -> None:
        self._db = db
        self._workspaces = workspaces
        self._writer = LineageWriter(db.engine)

    def of_statement(self, access: StatementAccess) -> list[Executable]:
        """Return what stores a statement's lineage, for the transaction that records its end.

        Empty for a statement that only read and belongs to no run: it connects no tables, and its own record holds
        what it read.
        """
        moment, writer, workspace = now(), self._writer, access.workspace_uid
        changes_names = access.targets or access.gone or access.dropped_namespace
        if not access.written and access.run_uid is None and not changes_names:
            return []
        sources = [each.dataset for each in access.sources]
        uuids = {each.name: each.uuid for each in (*sources, *access.targets)}
        unit = Unit(access.statement_id, workspace, access.run_uid, access.statement_id)
        return [
            *writer.accesses(unit, "read", access.read, uuids, moment),
            *writer.accesses(unit, "written", access.written, uuids, moment),
            *writer.tables_seen(workspace, sources, access.seen_at or moment),
            *writer.tables_seen(workspace, access.targets, moment),
            *writer.tables_gone(workspace, access.gone, moment),
            *writer.namespace_gone(workspace, access.dropped_namespace, moment),
            *writer.flows(unit, flows_of_statement(access), moment),
            *writer.columns(unit, access.changed, access.columns, moment),
        ]

    async def table_loaded(self, unit: CatalogUnit, dataset: Dataset, snapshot_id: int | None) -> None:
        """Store that a process loaded a table or view; unknown workspaces are ignored.

        Args:
            unit: the process.
            dataset: the table or view.
            snapshot_id: its current snapshot.
        """
        if (uid := self._uid(unit.workspace)) is None:
            return
        moment, read = now(), [(dataset.name, snapshot_id)]
        uuids = {dataset.name: dataset.uuid}
        await self._run(
            [
                *self._writer.accesses(Unit(unit.id, uid, unit.run_uid), "read", read, uuids, moment),
                *self._writer.tables_seen(uid, [dataset], moment),
            ]
        )

    async def tables_committed(
        self, unit: CatalogUnit, committed: Sequence[CommittedTable], began_at: datetime
    ) -> None:
        """Store a commit of a process, with an edge from each table that it loaded before; see `table_loaded`.

        Args:
            unit: the process.
            committed: the tables to which it added snapshots.
            began_at: when the commit arrived.
        """
        if (uid := self._uid(unit.workspace)) is None:
            return
        moment = now()
        written = [(each.dataset.name, each.snapshot_id) for each in committed]
        uuids = {each.dataset.name: each.dataset.uuid for each in committed}
        with_rows = {each.dataset.uuid for each in committed if each.has_new_rows}
        async with self._db.session() as session:
            loaded = await _loaded_before(session, unit, uid, began_at)
            flows, stored = flows_of_commit(unit, loaded, sorted(with_rows)), Unit(unit.id, uid, unit.run_uid)
            for statement in (
                *self._writer.accesses(stored, "written", written, uuids, moment),
                *self._writer.tables_seen(uid, [each.dataset for each in committed], moment),
                *self._writer.flows(stored, flows, moment),
            ):
                await session.execute(statement)

    async def view_defined(
        self, workspace_uid: str, view: Dataset, sources: Sequence[Dataset], run_uid: str | None
    ) -> None:
        """Store what a view names.

        Args:
            workspace_uid: metadata.uid of the workspace.
            view: the view.
            sources: the tables and views that its text names.
            run_uid: metadata.uid of the Run that defined it.
        """
        moment, unit = now(), Unit(view.uuid, workspace_uid, run_uid)
        await self._run(
            [
                *self._writer.tables_seen(workspace_uid, [view, *sources], moment),
                *self._writer.flows(unit, flows_of_view(view, sources), moment),
            ]
        )

    async def table_renamed(self, workspace: str, old: str, new: str) -> None:
        """Store that a table or view has another name; both with the catalog."""
        if uid := self._uid(workspace):
            await self._run(self._writer.table_renamed(uid, old, new, now()))

    async def table_dropped(self, workspace: str, name: str) -> None:
        """Store that a table or view is not there any more, given its name with the catalog."""
        if uid := self._uid(workspace):
            await self._run(self._writer.name_gone(uid, name, now()))

    async def namespace_dropped(self, workspace: str, name: str) -> None:
        """Store that a database or schema is not there any more, given its name with the catalog."""
        if uid := self._uid(workspace):
            await self._run(self._writer.namespace_gone(uid, name, now()))

    def _uid(self, workspace: str) -> str | None:
        found = self._workspaces.get(workspace)
        return found.metadata.uid if found else None

    async def _run(self, statements: Iterable[Executable]) -> None:
        async with self._db.session() as session:
            for statement in statements:
                await session.execute(statement)


async def _loaded_before(session: AsyncSession, unit: CatalogUnit, workspace_uid: str, moment: datetime) -> list[str]:
    """Return the UUIDs of what a process loaded before a moment, newest first."""
    query = (
        select(LineageAccess.table_uuid)
        .where(LineageAccess.source == unit.id, LineageAccess.workspace_uid == workspace_uid)
        .where(LineageAccess.direction == "read", LineageAccess.at < moment, LineageAccess.table_uuid.is_not(None))
        .order_by(LineageAccess.at.desc())
        .limit(min(SOURCES_OF_COMMIT, MAX_FLOWS))
    )
    return list(dict.fromkeys(found for found in await session.scalars(query) if found))

"""Reads recorded lineage: of a run, and the upstream and downstream tables of a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Mapper, aliased

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.distinct import distinct_values
from icefield_apiserver.core.db.one_of import one_of

from .columns import MAX_SETS, ColumnSet, merged
from .models import LineageAccess, LineageColumns, LineageEdge, LineageFlow, LineageTable
from .neighbours import FlowRow, LineageNeighbour, neighbours_of
from .summary import TableAccess, lineage_of
from .units import Dataset

MAX_ROWS = 5000
"""Most rows that are read for one response; the newest ones."""
_AGED = (
    (LineageAccess, LineageAccess.at),
    (LineageFlow, LineageFlow.at),
    (LineageEdge, LineageEdge.last_at),
    (LineageTable, LineageTable.seen_at),
    (LineageColumns, LineageColumns.last_at),
)


class LineageStore:
    """Reads the lineage that LineageRecorder stored.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_run(self, workspace_uid: str, run_uid: str) -> dict[str, Any]:
        """Return the JSON of a run's `Lineage`, in order of access."""
        query = (
            select(LineageAccess)
            .where(LineageAccess.workspace_uid == workspace_uid, LineageAccess.run_uid == run_uid)
            .order_by(LineageAccess.at, LineageAccess.source, LineageAccess.table_name)
            .limit(MAX_ROWS)
        )
        async with self._db.session() as session:
            rows = (await session.scalars(query)).all()
        return lineage_of(*(_accesses(rows, direction) for direction in ("read", "written")))

    async def last_of_name(self, workspace_uid: str, name: str) -> Dataset | None:
        """Return the table or view that had a name last, of those that have lineage."""
        query = (
            select(LineageTable)
            .where(LineageTable.workspace_uid == workspace_uid, LineageTable.name == name)
            .order_by(LineageTable.is_name_only, LineageTable.seen_at.desc())
            .limit(1)
        )
        async with self._db.session() as session:
            found = await session.scalar(query)
        return Dataset(found.uuid, found.name, found.is_view) if found else None

    async def upstream(self, workspace_uid: str, uuids: Collection[str]) -> list[LineageNeighbour]:
        """Return what a table was written from, latest first, given the identities that it has."""
        return await self._neighbours(workspace_uid, uuids, LineageFlow.target_uuid, LineageFlow.source_uuid)

    async def downstream(self, workspace_uid: str, uuids: Collection[str]) -> list[LineageNeighbour]:
        """Return what was written from a table, latest first, given the identities that it has."""
        return await self._neighbours(workspace_uid, uuids, LineageFlow.source_uuid, LineageFlow.target_uuid)

    async def columns(self, workspace_uid: str, uuid: str) -> tuple[ColumnSet, dict[str, Dataset]]:
        """Return what the columns of a table are made of, with the tables of these columns by their identities."""
        query = (
            select(LineageColumns.columns)
            .where(LineageColumns.workspace_uid == workspace_uid, LineageColumns.target_uuid == uuid)
            .order_by(LineageColumns.last_at.desc())
            .limit(MAX_SETS)
        )
        async with self._db.session() as session:
            found = merged(ColumnSet.from_json(row) for row in await session.scalars(query))
            uuids = {each.uuid for sources in (*found.fields.values(), found.dataset) for each in sources}
            named = select(LineageTable).where(
                LineageTable.workspace_uid == workspace_uid, one_of(self._db.engine, LineageTable.uuid, sorted(uuids))
            )
            tables = (await session.scalars(named)).all()
        return found, {each.uuid: Dataset(each.uuid, each.name, each.is_view) for each in tables}

    async def workspace_uids(self) -> list[str]:
        """Return metadata.uid of each workspace that has lineage."""
        async with self._db.session() as session:
            return sorted(
                {
                    *await distinct_values(session, LineageAccess.workspace_uid),
                    *await distinct_values(session, LineageTable.workspace_uid),
                }
            )

    async def remove_before(self, workspace_uid: str, moment: datetime, limit: int) -> int:
        """Delete some of what happened in a workspace before a moment; return how many rows."""
        removed = 0
        for model, at in _AGED:
            keys = tuple(cast(Mapper[Any], inspect(model)).primary_key)
            old = select(*keys).where(model.workspace_uid == workspace_uid, at < moment).limit(limit)
            removed += await self._db.execute(delete(model).where(tuple_(*keys).in_(old)))
        return removed

    async def _neighbours(
        self,
        workspace_uid: str,
        uuids: Collection[str],
        near: InstrumentedAttribute[str],
        far: InstrumentedAttribute[str],
    ) -> list[LineageNeighbour]:
        table, view = aliased(LineageTable), aliased(LineageTable)
        query = (
            select(LineageFlow, table, view.name)
            .join(table, (table.workspace_uid == LineageFlow.workspace_uid) & (table.uuid == far))
            .outerjoin(view, (view.workspace_uid == workspace_uid) & (view.uuid == LineageFlow.through_uuid))
            .where(LineageFlow.workspace_uid == workspace_uid, near.in_(uuids), far.not_in(uuids))
            .order_by(LineageFlow.at.desc())
            .limit(MAX_ROWS)
        )
        async with self._db.session() as session:
            rows = (await session.execute(query)).all()
        return neighbours_of(FlowRow.of(*row) for row in rows)


def _accesses(rows: Sequence[LineageAccess], direction: str) -> list[TableAccess]:
    return [(row.table_name, row.snapshot_id or None) for row in rows if row.direction == direction]

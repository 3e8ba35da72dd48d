"""Reads recorded lineage: of a run, and the upstream and downstream tables of a table.

A table is downstream of another when one statement, or one run, read the other and wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import aliased

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.distinct import distinct_values

from .models import LineageEdge
from .summary import TableAccess, lineage_of

MAX_EDGES = 5000
"""Most edges that are read for one response; the newest ones."""
MAX_SHOWN = 20


@dataclass
class LineageNeighbour:
    """A table directly upstream or downstream of another.

    Attributes:
        last_at: when data last flowed between the two.
        run_uids: metadata.uid of the runs that connect them, newest first.
        statement_ids: the statements that connect them, newest first.
    """

    table: str
    last_at: datetime
    run_uids: list[str] = field(default_factory=list)
    statement_ids: list[str] = field(default_factory=list)


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
            select(LineageEdge)
            .where(LineageEdge.workspace_uid == workspace_uid, LineageEdge.run_uid == run_uid)
            .order_by(LineageEdge.at, LineageEdge.source, LineageEdge.table_name)
            .limit(MAX_EDGES)
        )
        async with self._db.session() as session:
            edges = (await session.scalars(query)).all()
        return lineage_of(*(_accesses(edges, direction) for direction in ("read", "written")))

    async def upstream(self, workspace_uid: str, table: str) -> list[LineageNeighbour]:
        """Return the tables that a table was written from, latest first."""
        return await self._neighbours(workspace_uid, table, "written", "read")

    async def downstream(self, workspace_uid: str, table: str) -> list[LineageNeighbour]:
        """Return the tables that were written from a table, latest first."""
        return await self._neighbours(workspace_uid, table, "read", "written")

    async def workspace_uids(self) -> list[str]:
        """Return metadata.uid of each workspace that has lineage."""
        async with self._db.session() as session:
            return await distinct_values(session, LineageEdge.workspace_uid)

    async def remove_before(self, workspace_uid: str, moment: datetime, limit: int) -> int:
        """Delete what some statements and runs of a workspace read and wrote before a moment; return how many rows."""
        old = LineageEdge.workspace_uid == workspace_uid, LineageEdge.at < moment
        some = select(LineageEdge.source).where(*old).limit(limit)
        return await self._db.execute(delete(LineageEdge).where(*old, LineageEdge.source.in_(some)))

    async def _neighbours(self, workspace_uid: str, table: str, near: str, far: str) -> list[LineageNeighbour]:
        own, other = aliased(LineageEdge), aliased(LineageEdge)

        async def joined(shared: ColumnElement[bool]) -> Sequence[Any]:
            query = (
                select(other.table_name, other.source, other.run_uid, other.at)
                .join(own, shared)
                .where(own.workspace_uid == workspace_uid, own.table_name == table, own.direction == near)
                .where(other.workspace_uid == workspace_uid, other.direction == far, other.table_name != table)
                .order_by(other.at.desc())
                .distinct()
                .limit(MAX_EDGES)
            )
            async with self._db.session() as session:
                return (await session.execute(query)).all()

        rows = [*await joined(own.source == other.source), *await joined(own.run_uid == other.run_uid)]
        return _grouped(sorted(set(map(tuple, rows)), key=lambda row: row[3], reverse=True))


def _accesses(edges: Sequence[LineageEdge], direction: str) -> list[TableAccess]:
    return [(edge.table_name, edge.snapshot_id or None) for edge in edges if edge.direction == direction]


def _grouped(rows: Sequence[tuple[str, str, str | None, datetime]]) -> list[LineageNeighbour]:
    found: dict[str, LineageNeighbour] = {}
    for table, source, run_uid, at in rows:
        neighbour = found.setdefault(table, LineageNeighbour(table, at))
        _append(neighbour.run_uids, run_uid)
        _append(neighbour.statement_ids, source if source.startswith("stmt_") else None)
    return list(found.values())


def _append(known: list[str], value: str | None) -> None:
    if value and value not in known and len(known) < MAX_SHOWN:
        known.append(value)

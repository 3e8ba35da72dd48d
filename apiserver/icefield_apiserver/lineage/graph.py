"""Lineage as it is asked for: of a run, and of a table, up and down the stream.

A table comes from another when one statement read the one and wrote the other, or when one run did, with whatever
statements and by whatever means in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from icefield_apiserver.db import Database
from icefield_apiserver.db.models import LineageEdge

from .body import body

MAX_EDGES = 5000
"""Of what is read for one answer, the newest."""
SHOWN = 20


@dataclass
class Neighbour:
    """A table next to another.

    Attributes:
        last_at: when data last went this way.
        run_uids: metadata.uid of the runs by which it went, newest first.
        statement_ids: the statements by which it went, newest first.
    """

    table: str
    last_at: datetime
    run_uids: list[str] = field(default_factory=list)
    statement_ids: list[str] = field(default_factory=list)


class LineageGraph:
    """Reads what the LineageRecorder wrote.

    Args:
        db: where it is kept.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_run(self, workspace_uid: str, run_uid: str) -> dict[str, Any]:
        """Return what a run read and wrote, as `body` has it, in the order in which it happened."""
        query = (
            select(LineageEdge)
            .where(LineageEdge.workspace_uid == workspace_uid, LineageEdge.run_uid == run_uid)
            .order_by(LineageEdge.at, LineageEdge.source, LineageEdge.table_name)
            .limit(MAX_EDGES)
        )
        async with self._db.session() as session:
            edges = (await session.scalars(query)).all()
        return body(*(_seen(edges, direction) for direction in ("read", "written")))

    async def upstream(self, workspace_uid: str, table: str) -> list[Neighbour]:
        """Return the tables that a table was made of, the latest first."""
        return await self._neighbours(workspace_uid, table, "written", "read")

    async def downstream(self, workspace_uid: str, table: str) -> list[Neighbour]:
        """Return the tables that were made of a table, the latest first."""
        return await self._neighbours(workspace_uid, table, "read", "written")

    async def _neighbours(self, workspace_uid: str, table: str, here: str, there: str) -> list[Neighbour]:
        own, other = aliased(LineageEdge), aliased(LineageEdge)

        async def through(shared: ColumnElement[bool]) -> Sequence[Any]:
            query = (
                select(other.table_name, other.source, other.run_uid, other.at)
                .join(own, shared)
                .where(own.workspace_uid == workspace_uid, own.table_name == table, own.direction == here)
                .where(other.workspace_uid == workspace_uid, other.direction == there, other.table_name != table)
                .order_by(other.at.desc())
                .distinct()
                .limit(MAX_EDGES)
            )
            async with self._db.session() as session:
                return (await session.execute(query)).all()

        rows = [*await through(own.source == other.source), *await through(own.run_uid == other.run_uid)]
        return _gathered(sorted(set(map(tuple, rows)), key=lambda row: row[3], reverse=True))


def _seen(edges: Sequence[LineageEdge], direction: str) -> list[tuple[str, int | None]]:
    return [(edge.table_name, edge.snapshot_id or None) for edge in edges if edge.direction == direction]


def _gathered(rows: Sequence[tuple[str, str, str | None, datetime]]) -> list[Neighbour]:
    found: dict[str, Neighbour] = {}
    for table, source, run_uid, at in rows:
        neighbour = found.setdefault(table, Neighbour(table, at))
        _note(neighbour.run_uids, run_uid)
        _note(neighbour.statement_ids, source if source.startswith("stmt_") else None)
    return list(found.values())


def _note(known: list[str], value: str | None) -> None:
    if value and value not in known and len(known) < SHOWN:
        known.append(value)

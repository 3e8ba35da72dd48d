"""Reads the edges around a table, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.one_of import one_of

from .graph import MAX_EDGES, Direction, GraphEdge, GraphNode, LineageGraph, Walk, graph_of
from .models import LineageEdge, LineageTable

T = TypeVar("T")

_ASKED_AT_ONCE = 2000
"""How many tables one query names: databases limit the values of a statement."""
_EDGE = (
    LineageEdge.source_uuid,
    LineageEdge.target_uuid,
    LineageEdge.inferred,
    LineageEdge.last_at,
    LineageEdge.last_run_uid,
    LineageEdge.last_statement_id,
)


class LineageGraphStore:
    """Reads the graph that LineageRecorder stored.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def around(
        self, workspace_uid: str, start: GraphNode, identities: Sequence[str], direction: Direction, depth: int
    ) -> LineageGraph:
        """Return the graph around a table.

        Args:
            workspace_uid: metadata.uid of the workspace.
            start: the table.
            identities: all that it is known by.
            direction: which way.
            depth: how many edges away.
        """
        found: dict[tuple[str, str], GraphEdge] = {}
        walks = [
            Walk(identities, is_upstream=way is Direction.UPSTREAM)
            for way in (Direction.UPSTREAM, Direction.DOWNSTREAM)
            if direction in (way, Direction.BOTH)
        ]
        is_truncated = False
        async with self._db.session() as session:
            for _ in range(depth):
                for walk in walks:
                    edges = await self._edges(session, workspace_uid, walk, MAX_EDGES - len(found) + 1)
                    found |= {(edge.source, edge.target): edge for edge in edges}
                    walk.advance(edges)
                is_truncated = len(found) > MAX_EDGES
                if is_truncated or not any(walk.frontier for walk in walks):
                    break
            edges = list(found.values())[:MAX_EDGES]
            known = await self._nodes(session, workspace_uid, edges)
        return graph_of(start, edges, known, is_truncated)

    async def _edges(self, session: AsyncSession, workspace_uid: str, walk: Walk, limit: int) -> list[GraphEdge]:
        near = LineageEdge.target_uuid if walk.is_upstream else LineageEdge.source_uuid
        found: list[GraphEdge] = []
        for uuids in _parts(walk.frontier):
            mine: tuple[ColumnElement[bool], ...] = (
                LineageEdge.workspace_uid == workspace_uid,
                one_of(self._db.engine, near, uuids),
            )
            # In no order: for a small limit, Postgres would search all edges in the order of their times.
            query = select(*_EDGE).where(*mine).limit(limit - len(found))
            found += [GraphEdge(*row) for row in (await session.execute(query)).all()]
            if len(found) >= limit:
                break
        return sorted(found, key=lambda edge: edge.last_at, reverse=True)

    async def _nodes(
        self, session: AsyncSession, workspace_uid: str, edges: Sequence[GraphEdge]
    ) -> dict[str, GraphNode]:
        known: dict[str, GraphNode] = {}
        wanted = sorted({edge.source for edge in edges} | {edge.target for edge in edges})
        for uuids in _parts(wanted):
            query = select(LineageTable.uuid, LineageTable.name, LineageTable.is_view, LineageTable.gone_at)
            rows = await session.execute(
                query.where(
                    LineageTable.workspace_uid == workspace_uid, one_of(self._db.engine, LineageTable.uuid, uuids)
                )
            )
            known |= {uuid: GraphNode(uuid, name, is_view, gone is not None) for uuid, name, is_view, gone in rows}
        return known


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(values), _ASKED_AT_ONCE):
        yield values[first : first + _ASKED_AT_ONCE]

"""The graph of tables around one: nodes and edges, as far as a depth and a number of edges. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

MAX_DEPTH = 50
MAX_EDGES = 10_000
"""Most edges of one graph; those nearest to the table that was asked for."""


class Direction(StrEnum):
    """Which way the graph is followed."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


class GraphEdge(NamedTuple):
    """That data flowed from one table to another.

    Attributes:
        source: UUID of what was read.
        target: UUID of what was written.
        inferred: whether only the order of a process's calls tells it.
        last_at: when data last flowed.
        run_uid: metadata.uid of the newest run between them.
        statement_id: the newest statement between them.
    """

    source: str
    target: str
    inferred: bool
    last_at: datetime
    run_uid: str | None
    statement_id: str | None


class GraphNode(NamedTuple):
    """A table or view.

    Attributes:
        uuid: its identity.
        table: its name with the catalog: the current one, or the last that it had.
        is_view: whether it is a view.
        is_gone: whether it is not there any more.
    """

    uuid: str
    table: str
    is_view: bool
    is_gone: bool


@dataclass(frozen=True)
class LineageGraph:
    """What is around a table.

    Attributes:
        table: the table.
        nodes: the table itself, then the others, nearest first.
        edges: the edges between them, nearest first.
        is_truncated: whether there are more edges within the depth.
    """

    table: GraphNode
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    is_truncated: bool


class Walk:
    """The walk from a table in one direction, level by level; a table is passed once, so cycles end.

    Args:
        start: the identities of the table.
        is_upstream: whether it goes from what was written to what was read.
    """

    def __init__(self, start: Iterable[str], *, is_upstream: bool) -> None:
        self.is_upstream = is_upstream
        self.frontier = sorted(set(start))
        self._seen = set(self.frontier)

    def advance(self, edges: Iterable[GraphEdge]) -> None:
        """Go on to the tables that the edges of the frontier lead to."""
        far = {edge.source if self.is_upstream else edge.target for edge in edges}
        self.frontier = sorted(far - self._seen)
        self._seen |= far


def graph_of(
    start: GraphNode, edges: Sequence[GraphEdge], known: Mapping[str, GraphNode], is_truncated: bool
) -> LineageGraph:
    """Return the graph of a table.

    Args:
        start: the table.
        edges: what was found, nearest first.
        known: the tables of the edges by their identities.
        is_truncated: whether there are more edges.
    """
    named = {node.table: node for node in known.values() if not node.is_gone} | {start.table: start}

    def node_of(uuid: str) -> GraphNode | None:
        # Of what was recorded before identities were, only the name is known: it means the table that has the name.
        node = start if uuid == start.uuid else known.get(uuid)
        return node if node is None or node.is_gone else named[node.table]

    meant = {uuid: node_of(uuid) for uuid in (start.uuid, *known)}
    merged: dict[tuple[str, str], GraphEdge] = {}
    nodes = {start.uuid: start}
    for edge in edges:
        source, target = meant.get(edge.source), meant.get(edge.target)
        if source is None or target is None or source.uuid == target.uuid:
            continue
        nodes[source.uuid], nodes[target.uuid] = source, target
        pair = (source.uuid, target.uuid)
        if pair != (edge.source, edge.target):
            edge = edge._replace(source=source.uuid, target=target.uuid)
        merged.setdefault(pair, edge)
    return LineageGraph(start, list(nodes.values()), list(merged.values()), is_truncated)

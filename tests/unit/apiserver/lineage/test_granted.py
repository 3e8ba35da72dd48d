"""Lineage leaves out the tables that a caller may not see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_apiserver.core.catalog import DataAccess
from icefield_apiserver.core.catalog.grants import EVERYTHING, access_of
from icefield_apiserver.features.lineage.columns import ColumnSet, SourceColumn
from icefield_apiserver.features.lineage.granted import shown_graph, shown_lineage, shown_neighbours
from icefield_apiserver.features.lineage.graph import GraphEdge, GraphNode, LineageGraph
from icefield_apiserver.features.lineage.neighbours import LineageNeighbour
from icefield_crds import Workspace

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def access() -> DataAccess:
    """Of somebody who may not see database hr."""
    grants = [{"user": "ann@acme.eu", "database": "hr", "privileges": ["OWN"]}]
    workspace = Workspace.model_validate({"metadata": {"name": "acme"}, "spec": {"grants": grants}})
    return access_of(workspace, "bob@acme.eu")


def graph(*edges: str) -> LineageGraph:
    """Return a graph of edges such as `a.b>c.d`, around the source of the first."""
    pairs = [tuple(edge.split(">")) for edge in edges]
    nodes = {name: GraphNode(name, f"acme.{name}", False, False) for pair in pairs for name in pair}
    found = [GraphEdge(source, target, False, NOW, None, None) for source, target in pairs]
    return LineageGraph(nodes[pairs[0][0]], list(nodes.values()), found, False)


def test_a_graph_has_what_is_reached_through_visible_tables(access: DataAccess) -> None:
    whole = graph("x.a>x.b", "x.a>hr.p", "hr.p>x.c", "x.d>x.b", "hr.p>hr.q")
    shown = shown_graph(access, whole)
    assert [node.table for node in shown.nodes] == ["acme.x.a", "acme.x.b", "acme.x.d"]
    assert [(edge.source, edge.target) for edge in shown.edges] == [("x.a", "x.b"), ("x.d", "x.b")]
    assert shown_graph(EVERYTHING, whole) is whole


def test_neighbours_lose_the_views_between(access: DataAccess) -> None:
    def neighbour(table: str, *through: str) -> LineageNeighbour:
        return LineageNeighbour(table, table, False, False, NOW, False, list(through))

    found = [neighbour("acme.x.a", "acme.hr.v", "acme.x.v"), neighbour("acme.hr.p")]
    assert shown_neighbours(access, found) == [neighbour("acme.x.a", "acme.x.v")]
    assert shown_neighbours(EVERYTHING, found) is found


def test_the_lineage_of_a_run(access: DataAccess) -> None:
    lineage: dict[str, Any] = {
        "read": ["acme.hr.p", "acme.x.a"],
        "written": ["acme.hr.q"],
        "read_snapshots": [{"table": "acme.hr.p", "snapshot_id": 1}, {"table": "acme.x.a", "snapshot_id": 2}],
        "written_snapshots": [{"table": "acme.hr.q", "snapshot_id": 3}],
        "read_files": ["volumes/hr/v/a.csv", "volumes/x/v/a.csv"],
    }
    assert shown_lineage(access, lineage) == {
        "read": ["acme.x.a"],
        "written": [],
        "read_snapshots": [{"table": "acme.x.a", "snapshot_id": 2}],
        "written_snapshots": [],
        "read_files": ["volumes/x/v/a.csv"],
    }
    assert shown_lineage(EVERYTHING, lineage) == lineage


def test_columns_of_hidden_tables_are_left_out() -> None:
    seen, hidden = SourceColumn("1", "a", "IDENTITY"), SourceColumn("2", "b", "FILTER")
    assert ColumnSet({"a": (seen, hidden)}, (hidden,)).of_tables({"1"}) == ColumnSet({"a": (seen,)}, ())

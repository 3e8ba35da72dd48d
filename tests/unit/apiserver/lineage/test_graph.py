"""The graph around a table: how far it goes, that it ends, and what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lineage_scenarios import RUN, WORKSPACE, recorded

from icefield_apiserver.core.db.base import now
from icefield_apiserver.features.lineage import graph_store
from icefield_apiserver.features.lineage.graph import Direction, GraphNode, LineageGraph
from icefield_apiserver.features.lineage.graph_store import LineageGraphStore
from icefield_apiserver.features.lineage.units import Dataset, Flow, uuid_of_name
from icefield_apiserver.features.lineage.writing import LineageWriter, Unit

CHAIN = [("a", "b"), ("b", "c"), ("c", "d")]
CYCLE = [("a", "b"), ("b", "a")]
DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("other", "elsewhere")]


async def around(
    folder: Path, pairs: list[tuple[str, str]], table: str, direction: Direction, depth: int
) -> LineageGraph:
    """Return the graph around a table of edges, each of a statement; names are identities."""
    async with recorded(f"sqlite+aiosqlite:///{folder}/lineage.db") as (_, _, db):
        writer, unit = LineageWriter(db.engine), Unit("stmt_1", WORKSPACE, RUN, "stmt_1")
        tables = [Dataset(name, f"acme.s.{name}") for name in sorted({name for pair in pairs for name in pair})]
        async with db.session() as session:
            for statement in (
                *writer.tables_seen(WORKSPACE, tables, now()),
                *writer.flows(unit, [Flow(source, target) for source, target in pairs], now()),
            ):
                await session.execute(statement)
        start = GraphNode(table, f"acme.s.{table}", False, False)
        return await LineageGraphStore(db).around(WORKSPACE, start, [table], direction, depth)


@pytest.mark.parametrize(
    ("pairs", "table", "direction", "depth", "expected"),
    [
        (CHAIN, "c", Direction.UPSTREAM, 1, [("b", "c")]),
        (CHAIN, "c", Direction.UPSTREAM, 9, [("a", "b"), ("b", "c")]),
        (CHAIN, "b", Direction.DOWNSTREAM, 9, [("b", "c"), ("c", "d")]),
        (CHAIN, "b", Direction.BOTH, 1, [("a", "b"), ("b", "c")]),
        (CHAIN, "b", Direction.BOTH, 9, CHAIN),
        (CYCLE, "a", Direction.UPSTREAM, 50, CYCLE),
        (CYCLE, "a", Direction.BOTH, 50, CYCLE),
        (DIAMOND, "d", Direction.UPSTREAM, 9, DIAMOND[:4]),
        (DIAMOND, "b", Direction.BOTH, 9, [("a", "b"), ("b", "d")]),
        (DIAMOND, "alone", Direction.BOTH, 9, []),
    ],
)
async def test_edges_within_the_depth(
    pairs: list[tuple[str, str]],
    table: str,
    direction: Direction,
    depth: int,
    expected: list[tuple[str, str]],
    tmp_path: Path,
) -> None:
    graph = await around(tmp_path, pairs, table, direction, depth)
    assert sorted((edge.source, edge.target) for edge in graph.edges) == sorted(expected)
    assert {node.uuid for node in graph.nodes} == {table} | {name for pair in expected for name in pair}
    assert graph.nodes[0].uuid == table
    assert not graph.is_truncated


async def test_a_graph_that_is_too_large_has_what_is_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_store, "MAX_EDGES", 2)
    graph = await around(tmp_path, CHAIN, "d", Direction.UPSTREAM, 9)
    assert [(edge.source, edge.target) for edge in graph.edges] == [("c", "d"), ("b", "c")]
    assert graph.is_truncated


async def test_what_is_known_by_name_only_is_the_table_of_that_name(tmp_path: Path) -> None:
    named = uuid_of_name(WORKSPACE, "acme.s.b")
    async with recorded(f"sqlite+aiosqlite:///{tmp_path}/lineage.db") as (_, _, db):
        writer, unit = LineageWriter(db.engine), Unit("stmt_1", WORKSPACE, RUN, "stmt_1")
        tables = [Dataset("b", "acme.s.b"), Dataset("c", "acme.s.c"), Dataset(named, "acme.s.b")]
        async with db.session() as session:
            for each in tables:
                insert, _ = writer.tables_seen(WORKSPACE, [each], now())
                await session.execute(insert)
            for statement in writer.flows(unit, [Flow("b", "c"), Flow(named, "c")], now()):
                await session.execute(statement)
        start = GraphNode("c", "acme.s.c", False, False)
        graph = await LineageGraphStore(db).around(WORKSPACE, start, ["c"], Direction.UPSTREAM, 3)
    assert len(graph.nodes) == 2
    assert len(graph.edges) == 1

"""Lineage without the tables that a caller may not see. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from icefield_apiserver.core.catalog import DataAccess
from icefield_crds import Privilege

from .graph import LineageGraph
from .neighbours import LineageNeighbour
from .summary import accesses_in, lineage_of


def may_see(access: DataAccess, table: str) -> bool:
    """Return whether a caller may see a table, given its name with the catalog."""
    _, *namespace, name = table.split(".")
    return access.may(Privilege.SELECT, tuple(namespace), name)


def shown_neighbours(access: DataAccess, neighbours: list[LineageNeighbour]) -> list[LineageNeighbour]:
    """Return the neighbours that a caller may see, without the views between that the caller may not."""
    if not access.is_limited:
        return neighbours
    return [
        replace(each, through=[view for view in each.through if may_see(access, view)])
        for each in neighbours
        if may_see(access, each.table)
    ]


def shown_graph(access: DataAccess, graph: LineageGraph) -> LineageGraph:
    """Return what of a graph a caller may see and reach through tables that the caller may see."""
    if not access.is_limited:
        return graph
    visible = {node.uuid for node in graph.nodes if may_see(access, node.table)}
    edges = [edge for edge in graph.edges if edge.source in visible and edge.target in visible]
    reached = _connected(graph.table.uuid, ((edge.source, edge.target) for edge in edges))
    return replace(
        graph,
        nodes=[node for node in graph.nodes if node.uuid in reached],
        edges=[edge for edge in edges if edge.source in reached],
    )


def shown_lineage(access: DataAccess, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a `Lineage` with the tables that a caller may see, and with files of databases for all."""
    if not access.is_limited:
        return dict(lineage)
    read, written = (
        [each for each in accesses_in(lineage, direction) if may_see(access, each[0])]
        for direction in ("read", "written")
    )
    files = [path for path in lineage.get("read_files", ()) if _may_see_file(access, path)]
    return lineage_of(read, written, files=files)


def _may_see_file(access: DataAccess, path: str) -> bool:
    folder, _, rest = path.partition("/")
    return folder != "volumes" or access.may_in(Privilege.SELECT, (rest.partition("/")[0],))


def _connected(start: str, edges: Iterable[tuple[str, str]]) -> set[str]:
    """Return what edges connect with a node, whichever way they go."""
    near: dict[str, list[str]] = {}
    for source, target in edges:
        near.setdefault(source, []).append(target)
        near.setdefault(target, []).append(source)
    reached, waiting = {start}, [start]
    while waiting:
        new = [each for each in near.get(waiting.pop(), ()) if each not in reached]
        reached.update(new)
        waiting += new
    return reached

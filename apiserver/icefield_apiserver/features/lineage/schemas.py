"""REST schemas of the lineage of tables; that of runs and statements is `summary.Lineage`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import orjson
from pydantic import BaseModel, Field

from icefield_crds.names import public_id

from .graph import Direction, LineageGraph
from .service import ColumnsOfTable, LineageNeighbour, LineageOfTable, SourceColumn

Kind = Literal["table", "view"]


class NeighbourTable(BaseModel):
    """A table or view directly upstream or downstream of another."""

    table: str = Field(
        description="Name with the catalog: the current one, or the last of what is gone.",
        examples=["acme.sales.orders"],
    )
    uuid: str = Field(description="UUID of the table or view in the catalog, which a rename keeps.")
    kind: Kind = Field(description="table or view.")
    gone: bool = Field(description="Whether it was dropped.")
    inferred: bool = Field(
        description="Whether only the order of a process's calls tells it: it loaded the one before it wrote the other."
    )
    through: list[str] = Field(
        description="Names of the views through which it was read, which are neighbours too; empty where directly."
    )
    last_at: datetime = Field(description="When data last flowed between the two tables.")
    run_ids: list[str] = Field(description="Ids of the runs that connect the tables, newest first, at most twenty.")
    statement_ids: list[str] = Field(
        description="Ids of the statements that connect the tables, newest first, at most twenty."
    )


class SourceColumnRead(BaseModel):
    """A column that a column, or a table, is made of (OpenLineage, facet columnLineage)."""

    table: str = Field(description="Name of its table with the catalog.", examples=["acme.sales.orders"])
    uuid: str = Field(description="UUID of its table in the catalog.")
    column: str = Field(description="Its name.")
    type: Literal["DIRECT", "INDIRECT"] = Field(description="DIRECT: its values flow; INDIRECT: they decide.")
    subtype: str = Field(
        description="IDENTITY, TRANSFORMATION or AGGREGATION; FILTER, JOIN, GROUP_BY, SORT, WINDOW or CONDITIONAL."
    )


class ColumnsRead(BaseModel):
    """What the columns of a table are made of."""

    fields: dict[str, list[SourceColumnRead]] = Field(description="Its columns, with what each is made of.")
    dataset: list[SourceColumnRead] = Field(description="What decides which rows there are, and in which order.")


class TableLineage(BaseModel):
    """What is directly upstream and downstream of a table or view."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    uuid: str = Field(description="UUID of the table or view in the catalog, which a rename keeps.")
    kind: Kind = Field(description="table or view.")
    gone: bool = Field(description="Whether it was dropped.")
    upstream: list[NeighbourTable] = Field(description="What it was written from, latest first.")
    downstream: list[NeighbourTable] = Field(description="What was written from it, latest first.")
    columns: ColumnsRead | None = Field(None, description="What its columns are made of, where that is asked for.")


def table_lineage_of(lineage: LineageOfTable, columns: ColumnsOfTable | None = None) -> TableLineage:
    """Return the lineage of a table as REST shows it, with that of its columns where it is given."""
    return TableLineage(
        table=lineage.dataset.name,
        uuid=lineage.dataset.uuid,
        kind=kind_of(is_view=lineage.dataset.is_view),
        gone=lineage.is_gone,
        upstream=[neighbour_of(each) for each in lineage.upstream],
        downstream=[neighbour_of(each) for each in lineage.downstream],
        columns=columns_of(columns) if columns else None,
    )


def neighbour_of(neighbour: LineageNeighbour) -> NeighbourTable:
    """Return a neighbouring table as REST shows it."""
    return NeighbourTable(
        table=neighbour.table,
        uuid=neighbour.uuid,
        kind=kind_of(is_view=neighbour.is_view),
        gone=neighbour.is_gone,
        inferred=neighbour.inferred,
        through=neighbour.through,
        last_at=neighbour.last_at,
        run_ids=[public_id("run", uid) for uid in neighbour.run_uids],
        statement_ids=neighbour.statement_ids,
    )


def columns_of(found: ColumnsOfTable) -> ColumnsRead:
    """Return what the columns of a table are made of as REST shows it."""

    def read(sources: Sequence[SourceColumn]) -> list[SourceColumnRead]:
        return [
            SourceColumnRead(
                table=found.tables[each.uuid].name,
                uuid=each.uuid,
                column=each.column,
                type="DIRECT" if each.type == "DIRECT" else "INDIRECT",
                subtype=each.subtype,
            )
            for each in sources
            if each.uuid in found.tables
        ]

    fields = {name: read(sources) for name, sources in found.columns.fields.items()}
    return ColumnsRead(fields=fields, dataset=read(found.columns.dataset))


def kind_of(*, is_view: bool) -> Kind:
    """Return the word for a table or a view."""
    return "view" if is_view else "table"


class GraphNodeRead(BaseModel):
    """A table or view in the graph."""

    id: str = Field(description="UUID of the table or view in the catalog, which a rename keeps.")
    table: str = Field(
        description="Name with the catalog: the current one, or the last of what is gone.",
        examples=["acme.sales.orders"],
    )
    kind: Kind = Field(description="table or view.")
    gone: bool = Field(description="Whether it was dropped.")


class GraphEdgeRead(BaseModel):
    """That data flowed from one table or view to another."""

    from_: str = Field(alias="from", description="Id of the node that was read.")
    to: str = Field(description="Id of the node that was written.")
    inferred: bool = Field(description="Whether only the order of a process's calls tells it.")
    last_at: datetime = Field(description="When data last flowed between the two.")
    runs: list[str] = Field(description="Id of the newest run between the two; the table's lineage has more.")
    statements: list[str] = Field(
        description="Id of the newest statement between the two; the table's lineage has more."
    )


class Graph(BaseModel):
    """The tables and views around one, and the edges between them."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    id: str = Field(description="Id of its node.")
    direction: Direction = Field(description="Which way the edges were followed.")
    depth: int = Field(description="How many edges away.")
    truncated: bool = Field(description="Whether there are more edges within the depth.")
    nodes: list[GraphNodeRead] = Field(description="The table itself, then the others, nearest first.")
    edges: list[GraphEdgeRead] = Field(description="The edges, nearest first, at most 10,000.")


def graph_json(graph: LineageGraph, depth: int, direction: Direction) -> bytes:
    """Return a graph as REST shows it (`Graph`): written directly, as it may have thousands of edges."""
    nodes = [
        {"id": node.uuid, "table": node.table, "kind": kind_of(is_view=node.is_view), "gone": node.is_gone}
        for node in graph.nodes
    ]
    edges = [
        {
            "from": edge.source,
            "to": edge.target,
            "inferred": edge.inferred,
            "last_at": edge.last_at,
            "runs": [public_id("run", edge.run_uid)] if edge.run_uid else [],
            "statements": [edge.statement_id] if edge.statement_id else [],
        }
        for edge in graph.edges
    ]
    head = {"table": graph.table.table, "id": graph.table.uuid, "direction": direction, "depth": depth}
    whole = {**head, "truncated": graph.is_truncated, "nodes": nodes, "edges": edges}
    return orjson.dumps(whole, option=orjson.OPT_UTC_Z)

"""REST schemas of the lineage of tables; that of runs and statements is `summary.Lineage`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from icefield_crds.names import public_id

from .service import LineageNeighbour, LineageOfTable

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


class TableLineage(BaseModel):
    """What is directly upstream and downstream of a table or view."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    uuid: str = Field(description="UUID of the table or view in the catalog, which a rename keeps.")
    kind: Kind = Field(description="table or view.")
    gone: bool = Field(description="Whether it was dropped.")
    upstream: list[NeighbourTable] = Field(description="What it was written from, latest first.")
    downstream: list[NeighbourTable] = Field(description="What was written from it, latest first.")


def table_lineage_of(lineage: LineageOfTable) -> TableLineage:
    """Return the lineage of a table as REST shows it."""
    return TableLineage(
        table=lineage.dataset.name,
        uuid=lineage.dataset.uuid,
        kind=kind_of(is_view=lineage.dataset.is_view),
        gone=lineage.is_gone,
        upstream=[neighbour_of(each) for each in lineage.upstream],
        downstream=[neighbour_of(each) for each in lineage.downstream],
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


def kind_of(*, is_view: bool) -> Kind:
    """Return the word for a table or a view."""
    return "view" if is_view else "table"

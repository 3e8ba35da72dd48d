"""REST schemas of the lineage of tables; that of runs and statements is `summary.Lineage`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from icefield_crds.names import public_id

from .service import LineageNeighbour, LineageOfTable


class NeighbourTable(BaseModel):
    """A table directly upstream or downstream of another."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    last_at: datetime = Field(description="When data last flowed between the two tables.")
    run_ids: list[str] = Field(description="Ids of the runs that connect the tables, newest first, at most twenty.")
    statement_ids: list[str] = Field(
        description="Ids of the statements that connect the tables, newest first, at most twenty."
    )


class TableLineage(BaseModel):
    """The tables directly upstream and downstream of a table."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    upstream: list[NeighbourTable] = Field(description="Tables that it was written from, latest first.")
    downstream: list[NeighbourTable] = Field(description="Tables that were written from it, latest first.")


def table_lineage_of(lineage: LineageOfTable) -> TableLineage:
    """Return the lineage of a table as REST shows it."""
    return TableLineage(
        table=lineage.table,
        upstream=[neighbour_of(each) for each in lineage.upstream],
        downstream=[neighbour_of(each) for each in lineage.downstream],
    )


def neighbour_of(neighbour: LineageNeighbour) -> NeighbourTable:
    """Return a neighbouring table as REST shows it."""
    return NeighbourTable(
        table=neighbour.table,
        last_at=neighbour.last_at,
        run_ids=[public_id("run", uid) for uid in neighbour.run_uids],
        statement_ids=neighbour.statement_ids,
    )

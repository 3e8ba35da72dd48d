"""Lineage as REST says it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from icefield_apiserver.lineage.graph import Neighbour
from icefield_crds.names import public_id


class TableSnapshot(BaseModel):
    """A table and one of its snapshots."""

    table: str = Field(description="The table, with its catalog.", examples=["acme.sales.orders"])
    snapshot_id: int = Field(description="Iceberg's snapshot id.")


class Lineage(BaseModel):
    """Tables that were read and written."""

    read: list[str] = Field(default=[], description="Tables read.", examples=[["acme.sales.orders"]])
    written: list[str] = Field(default=[], description="Tables written.")
    read_snapshots: list[TableSnapshot] = Field(default=[], description="The snapshots that were read.")
    written_snapshots: list[TableSnapshot] = Field(default=[], description="The snapshots that were made.")


class NeighbourTable(BaseModel):
    """A table next to another in the stream of data."""

    table: str = Field(description="The table, with its catalog.", examples=["acme.sales.orders"])
    last_at: datetime = Field(description="When data last went this way.")
    run_ids: list[str] = Field(description="Runs by which it went, newest first, the last twenty.")
    statement_ids: list[str] = Field(description="Statements by which it went, newest first, the last twenty.")


class TableLineage(BaseModel):
    """What a table was made of, and what was made of it."""

    table: str = Field(description="The table, with its catalog.", examples=["acme.sales.orders"])
    upstream: list[NeighbourTable] = Field(description="Tables it was made of, the latest first.")
    downstream: list[NeighbourTable] = Field(description="Tables made of it, the latest first.")


def neighbour_of(neighbour: Neighbour) -> NeighbourTable:
    """Return a table next to another as REST shows it."""
    return NeighbourTable(
        table=neighbour.table,
        last_at=neighbour.last_at,
        run_ids=[public_id("run", uid) for uid in neighbour.run_uids],
        statement_ids=neighbour.statement_ids,
    )

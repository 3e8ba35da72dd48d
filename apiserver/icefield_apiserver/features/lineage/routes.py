"""Lineage of tables and runs (API reference, "Audit & lineage")."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Query, Response

from icefield_apiserver.core.dependencies import Place
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .graph import MAX_DEPTH, Direction
from .schemas import Graph, TableLineage, graph_json, table_lineage_of
from .service import Lineage, LineageService

router = Router(prefix="/databases/{id}", tags=["Lineage"])
runs_router = Router(prefix="/runs", tags=["Runs & tasks"])
graph_router = Router(prefix="/lineage", tags=["Lineage"])

ROUTERS = (router, runs_router, graph_router)
DEFAULT_DEPTH = 5

CurrentLineage = Annotated[LineageService, Depends(provided(LineageService))]


@router.get("/tables/{table}/lineage", summary="Read a table's lineage")
@router.get(
    "/schemas/{schema}/tables/{table}/lineage",
    name="read_table_lineage_in_schema",
    summary="Read the lineage of a schema's table",
)
async def read_table_lineage(
    principal: CurrentPrincipal,
    place: Place,
    table: str,
    lineage: CurrentLineage,
    columns: Annotated[
        bool, Query(description="Whether the columns are wanted, as far as statements tell them.")
    ] = False,
) -> TableLineage:
    """Return what is directly upstream and downstream of a table or view, connected by SQL statements and runs."""
    found = await lineage.of_table(principal, place, table)
    return table_lineage_of(found, await lineage.columns(principal, found.dataset) if columns else None)


@graph_router.get("/graph", response_model=Graph, summary="Read the graph around a table")
async def read_lineage_graph(
    principal: CurrentPrincipal,
    lineage: CurrentLineage,
    table: Annotated[str, Query(max_length=512, description="Name of the table or view.", examples=["sales.orders"])],
    depth: Annotated[int, Query(ge=1, le=MAX_DEPTH, description="How many edges away.")] = DEFAULT_DEPTH,
    direction: Annotated[Direction, Query(description="Which way the edges are followed.")] = Direction.BOTH,
) -> Response:
    """Return the tables and views around one, and the edges between them, in one answer of at most 10,000 edges."""
    found = await lineage.graph(principal, table, direction, depth)
    return Response(await asyncio.to_thread(graph_json, found, depth, direction), media_type="application/json")


@runs_router.get("/{id}/lineage", summary="Read a run's lineage")
async def read_lineage(principal: CurrentPrincipal, id: str, lineage: CurrentLineage) -> Lineage:  # noqa: A002
    """Return the tables that the run read and wrote, with SQL statements and through the catalog itself."""
    return Lineage.model_validate(await lineage.of_run(principal, id))

"""Lineage of tables and runs (API reference, "Audit & lineage")."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from icefield_apiserver.core.dependencies import Place
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .schemas import TableLineage, table_lineage_of
from .service import Lineage, LineageService

router = Router(prefix="/databases/{id}", tags=["Lineage"])
runs_router = Router(prefix="/runs", tags=["Runs & tasks"])

CurrentLineage = Annotated[LineageService, Depends(provided(LineageService))]


@router.get("/tables/{table}/lineage", summary="Read a table's lineage")
@router.get(
    "/schemas/{schema}/tables/{table}/lineage",
    name="read_table_lineage_in_schema",
    summary="Read the lineage of a schema's table",
)
async def read_table_lineage(
    principal: CurrentPrincipal, place: Place, table: str, lineage: CurrentLineage
) -> TableLineage:
    """Return the tables directly upstream and downstream of a table, connected by SQL statements and runs."""
    return table_lineage_of(await lineage.of_table(principal, place, table))


@runs_router.get("/{id}/lineage", summary="Read a run's lineage")
async def read_lineage(principal: CurrentPrincipal, id: str, lineage: CurrentLineage) -> Lineage:  # noqa: A002
    """Return the tables that the run read and wrote, with SQL statements and through the catalog itself."""
    return Lineage.model_validate(await lineage.of_run(principal, id))

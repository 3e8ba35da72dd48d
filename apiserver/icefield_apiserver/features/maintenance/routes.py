"""Maintenance of tables (API reference, "Databases & tables")."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from icefield_apiserver.core.dependencies import Place
from icefield_apiserver.core.execution import RunStarted
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import Editor

from .schemas import Maintenance
from .service import MaintenanceService

router = Router(prefix="/databases/{id}", tags=["Catalog"])

MaintenanceOfTables = Annotated[MaintenanceService, Depends(provided(MaintenanceService))]
IN_SCHEMA = "/schemas/{schema}"


@router.post("/tables/{table}/maintenance", status_code=201, summary="Maintain a table")
@router.post(
    f"{IN_SCHEMA}/tables/{{table}}/maintenance",
    status_code=201,
    name="maintain_in_schema",
    summary="Maintain a schema's table",
)
async def maintain(
    principal: Editor, place: Place, table: str, body: Maintenance, maintenance: MaintenanceOfTables, response: Response
) -> RunStarted:
    """Expire snapshots, remove orphan files, compact: in a run of its own, whose logs report what was done."""
    run = await maintenance.start(principal, place, table, body.to_plan(), body.warehouse_id)
    response.headers["Location"] = f"/api/v1/runs/{run.public_id}"
    return RunStarted(run_id=run.public_id, status=run.phase)

"""Maintenance of tables (API reference, "Databases & tables")."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from icefield_apiserver.core.dependencies import Place
from icefield_apiserver.core.execution import RunStarted
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor

from .declarations import MaintenanceDeclarations, Subject
from .schemas import Maintenance, MaintenanceRead, MaintenanceSchedule, maintenance_of
from .service import MaintenanceService

router = Router(prefix="/databases/{id}", tags=["Catalog"])

MaintenanceOfTables = Annotated[MaintenanceService, Depends(provided(MaintenanceService))]
Declarations = Annotated[MaintenanceDeclarations, Depends(provided(MaintenanceDeclarations))]
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
    """Compact, rewrite manifests, expire snapshots, remove orphan files now, in a run whose log says what was done."""
    run = await maintenance.start(principal, place, table, body.to_plan(), body.warehouse_id)
    response.headers["Location"] = f"/api/v1/runs/{run.public_id}"
    return RunStarted(run_id=run.public_id, status=run.phase)


@router.get("/maintenance", summary="Read a database's maintenance")
async def read_database_maintenance(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002 - as the reference has it
    declarations: Declarations,
) -> MaintenanceRead:
    """Return the declared maintenance of a database's tables; 404 where there is none."""
    return maintenance_of(await declarations.of_database(principal, id))


@router.put("/maintenance", summary="Declare a database's maintenance")
async def declare_database_maintenance(
    principal: Editor,
    id: str,  # noqa: A002
    body: MaintenanceSchedule,
    declarations: Declarations,
) -> MaintenanceRead:
    """Have all tables of a database that have no declaration of their own maintained on a schedule."""
    return maintenance_of(await declarations.declare_for_database(principal, id, body.to_fields(), body.warehouse_id))


@router.delete("/maintenance", status_code=204, summary="Remove a database's maintenance")
async def remove_database_maintenance(principal: Editor, id: str, declarations: Declarations) -> None:  # noqa: A002
    """Remove the declared maintenance of a database, and with it the record of its runs."""
    await declarations.remove(principal, Subject(id))


@router.get("/tables/{table}/maintenance", summary="Read a table's maintenance")
@router.get(
    f"{IN_SCHEMA}/tables/{{table}}/maintenance",
    name="read_maintenance_in_schema",
    summary="Read a schema's table's maintenance",
)
async def read_maintenance(
    principal: CurrentPrincipal, place: Place, table: str, declarations: Declarations
) -> MaintenanceRead:
    """Return the declared maintenance of a table: its own, or else its database's; 404 where neither has any."""
    return maintenance_of(await declarations.of_table(principal, place, table))


@router.put("/tables/{table}/maintenance", summary="Declare a table's maintenance")
@router.put(
    f"{IN_SCHEMA}/tables/{{table}}/maintenance",
    name="declare_maintenance_in_schema",
    summary="Declare a schema's table's maintenance",
)
async def declare_maintenance(
    principal: Editor, place: Place, table: str, body: MaintenanceSchedule, declarations: Declarations
) -> MaintenanceRead:
    """Have a table maintained on a schedule, in place of what its database declares."""
    return maintenance_of(
        await declarations.declare_for_table(principal, place, table, body.to_fields(), body.warehouse_id)
    )


@router.delete("/tables/{table}/maintenance", status_code=204, summary="Remove a table's maintenance")
@router.delete(
    f"{IN_SCHEMA}/tables/{{table}}/maintenance",
    status_code=204,
    name="remove_maintenance_in_schema",
    summary="Remove a schema's table's maintenance",
)
async def remove_maintenance(principal: Editor, place: Place, table: str, declarations: Declarations) -> None:
    """Remove the declared maintenance of a table; it then has its database's."""
    await declarations.remove(principal, Subject.of_table(place, table))

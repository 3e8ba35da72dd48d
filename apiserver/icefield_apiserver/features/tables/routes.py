"""Tables, views and snapshots (API reference, "Catalog").

A table is at /databases/:id/schemas/:schema/tables/:table; without a schema in the path, the query parameter `schema`
names it, and `default` is the default.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from icefield_apiserver.core.bodies import MIB
from icefield_apiserver.core.catalog.metadata import TableInfo
from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, schema_namespace, schema_of
from icefield_apiserver.core.dependencies import Place
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentOpenWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor

from .schemas import (
    Rollback,
    SchemaColumn,
    SnapshotRead,
    TableColumns,
    TableCreate,
    TableRead,
    TableSummary,
    ViewRead,
    ViewSummary,
    place_of,
    snapshot_of,
    summary_of,
    table_of,
    view_of,
)
from .service import TableService

router = Router(prefix="/databases/{id}", tags=["Catalog"])

Tables = Annotated[TableService, Depends(provided(TableService))]
IN_SCHEMA = "/schemas/{schema}"
MAX_BODY_BYTES = 4 * MIB
"""A table of 5,000 columns, with some 800 bytes each."""


@router.get("/tables", summary="List a database's tables")
@router.get(f"{IN_SCHEMA}/tables", name="list_tables_of_schema", summary="List a schema's tables")
async def list_tables(
    principal: CurrentPrincipal, place: Place, window: CurrentOpenWindow, tables: Tables
) -> Page[TableSummary | ViewSummary]:
    """Return the tables and views of one schema by name, all unless `limit` is given.

    Views are included because published clients read here which names are taken; `kind` distinguishes them.
    """
    return await tables.page(
        principal,
        place,
        window,
        lambda name, table: summary_of(place, name, table),
        lambda name: ViewSummary(**place_of(place, name)),
    )


@router.post("/tables", status_code=201, max_body_size=MAX_BODY_BYTES, summary="Create a table")
async def create_table(principal: Editor, id: str, body: TableCreate, tables: Tables) -> TableRead:  # noqa: A002
    """Create an Iceberg table, in the schema `default` unless the body names another."""
    place = schema_namespace(id, body.schema_name or DEFAULT_SCHEMA)
    return table_of(place, body.name, await tables.create(principal, place, body.to_definition()))


@router.post(f"{IN_SCHEMA}/tables", status_code=201, max_body_size=MAX_BODY_BYTES, summary="Create a table in a schema")
async def create_table_in_schema(principal: Editor, place: Place, body: TableCreate, tables: Tables) -> TableRead:
    """Create an Iceberg table in the schema of the path."""
    if body.schema_name not in (None, schema_of(place)):
        raise BadRequest(f"The path names schema {schema_of(place)}, the body {body.schema_name}.")
    return table_of(place, body.name, await tables.create(principal, place, body.to_definition()))


@router.get("/tables/{table}", summary="Read a table")
@router.get(f"{IN_SCHEMA}/tables/{{table}}", name="read_table_of_schema", summary="Read a table of a schema")
async def read_table(principal: CurrentPrincipal, place: Place, table: str, tables: Tables) -> TableRead | ViewRead:
    """Return one table, or the view of that name, with its columns."""
    found = await tables.find(principal, place, table)
    return table_of(place, table, found) if isinstance(found, TableInfo) else view_of(place, table, found)


@router.delete("/tables/{table}", status_code=204, summary="Delete a table")
@router.delete(
    f"{IN_SCHEMA}/tables/{{table}}", status_code=204, name="delete_table_of_schema", summary="Delete a schema's table"
)
async def delete_table(principal: Editor, place: Place, table: str, tables: Tables) -> None:
    """Delete a table with its metadata and data files; some catalogs delete the files a little later."""
    await tables.delete(principal, place, table)


@router.get("/tables/{table}/schema", summary="Read a table's columns")
@router.get(
    f"{IN_SCHEMA}/tables/{{table}}/schema",
    name="read_columns_in_schema",
    summary="Read the columns of a schema's table",
)
async def read_columns(principal: CurrentPrincipal, place: Place, table: str, tables: Tables) -> TableColumns:
    """Return a table's columns: name and Iceberg type."""
    found = await tables.get(principal, place, table)
    return TableColumns(columns=[SchemaColumn(name=column.name, type=column.type) for column in found.columns])


@router.get("/tables/{table}/snapshots", summary="List a table's snapshots")
@router.get(
    f"{IN_SCHEMA}/tables/{{table}}/snapshots",
    name="list_snapshots_in_schema",
    summary="List a schema's table's snapshots",
)
async def list_snapshots(
    principal: CurrentPrincipal, place: Place, table: str, window: CurrentOpenWindow, tables: Tables
) -> Page[SnapshotRead]:
    """Return the snapshots that the table can be read at and rolled back to, newest first."""
    return await tables.snapshots(principal, place, table, window, snapshot_of)


@router.post("/tables/{table}/rollback", summary="Roll back to a snapshot")
@router.post(
    f"{IN_SCHEMA}/tables/{{table}}/rollback",
    name="rollback_in_schema",
    summary="Roll back a schema's table to a snapshot",
)
async def rollback(principal: Editor, place: Place, table: str, body: Rollback, tables: Tables) -> TableRead:
    """Make one of the table's snapshots the current one. No snapshot is deleted, so a rollback can be undone."""
    return table_of(place, table, await tables.rollback(principal, place, table, body.snapshot_id))


@router.get("/views", summary="List a database's views")
@router.get(f"{IN_SCHEMA}/views", name="list_views_of_schema", summary="List a schema's views")
async def list_views(
    principal: CurrentPrincipal, place: Place, window: CurrentOpenWindow, tables: Tables
) -> Page[ViewSummary]:
    """Return the views of one schema by name."""
    return await tables.views(principal, place, window, lambda name: ViewSummary(**place_of(place, name)))


@router.get("/views/{view}", summary="Read a view")
@router.get(f"{IN_SCHEMA}/views/{{view}}", name="read_view_of_schema", summary="Read a view of a schema")
async def read_view(principal: CurrentPrincipal, place: Place, view: str, tables: Tables) -> ViewRead:
    """Return one view with its text and its columns."""
    return view_of(place, view, await tables.get_view(principal, place, view))


@router.delete("/views/{view}", status_code=204, summary="Delete a view")
@router.delete(
    f"{IN_SCHEMA}/views/{{view}}", status_code=204, name="delete_view_of_schema", summary="Delete a schema's view"
)
async def delete_view(principal: Editor, place: Place, view: str, tables: Tables) -> None:
    """Delete a view; the tables that it reads are not changed."""
    await tables.delete_view(principal, place, view)

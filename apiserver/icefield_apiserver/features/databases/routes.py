"""Databases and schemas (API reference, "Catalog"): the namespaces of the workspace's Iceberg catalog."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentOpenWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor

from .schemas import DatabaseCreate, DatabaseRead, SchemaCreate, SchemaRead, database_read, schema_read
from .service import DatabaseService

router = Router(prefix="/databases", tags=["Catalog"])

Databases = Annotated[DatabaseService, Depends(provided(DatabaseService))]


@router.get("", summary="List databases")
async def list_databases(
    principal: CurrentPrincipal, window: CurrentOpenWindow, databases: Databases
) -> Page[DatabaseRead]:
    """Return the workspace's databases by name; all of them without `limit`."""
    page = await databases.page(principal, window)
    return Page(data=[database_read(each) for each in page.data], next_cursor=page.next_cursor)


@router.post("", status_code=201, summary="Create a database")
async def create_database(principal: Editor, body: DatabaseCreate, databases: Databases) -> DatabaseRead:
    """Create a database with its schema `default`."""
    return database_read(await databases.create(principal, body.name, body.description, body.location))


@router.get("/{id}", summary="Read a database")
async def read_database(principal: CurrentPrincipal, id: str, databases: Databases) -> DatabaseRead:  # noqa: A002 - as the reference has it
    """Return one database; its id is its name."""
    return database_read(await databases.get(principal, id))


@router.delete("/{id}", status_code=204, summary="Delete a database")
async def delete_database(principal: Editor, id: str, databases: Databases) -> None:  # noqa: A002
    """Delete an empty database; 409 while it holds tables, views, schemas or volumes."""
    await databases.delete(principal, id)


@router.get("/{id}/schemas", summary="List a database's schemas")
async def list_schemas(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    window: CurrentOpenWindow,
    databases: Databases,
) -> Page[SchemaRead]:
    """Return the schemas by name; `default` is the database itself."""
    page = await databases.schemas(principal, id, window)
    return Page(data=[schema_read(each) for each in page.data], next_cursor=page.next_cursor)


@router.post("/{id}/schemas", status_code=201, summary="Create a schema")
async def create_schema(principal: Editor, id: str, body: SchemaCreate, databases: Databases) -> SchemaRead:  # noqa: A002
    """Create a schema in a database."""
    return schema_read(await databases.create_schema(principal, id, body.name, body.description))


@router.get("/{id}/schemas/{schema}", summary="Read a schema")
async def read_schema(principal: CurrentPrincipal, id: str, schema: str, databases: Databases) -> SchemaRead:  # noqa: A002
    """Return one schema."""
    return schema_read(await databases.get_schema(principal, id, schema))


@router.delete("/{id}/schemas/{schema}", status_code=204, summary="Delete a schema")
async def delete_schema(principal: Editor, id: str, schema: str, databases: Databases) -> None:  # noqa: A002
    """Delete an empty schema; 409 while it holds tables or views."""
    await databases.delete_schema(principal, id, schema)

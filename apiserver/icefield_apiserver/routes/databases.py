"""Databases and schemas (API reference, "Catalog"): the namespaces of the workspace's Iceberg catalog."""

from __future__ import annotations

from fastapi import APIRouter

from icefield_apiserver.catalog.names import schema_of
from icefield_apiserver.identity.principal import CurrentPrincipal, Editor
from icefield_apiserver.pagination import CurrentOpenWindow, Page
from icefield_apiserver.repositories.databases import Database
from icefield_apiserver.repositories.dependencies import Databases
from icefield_apiserver.schemas.catalog import DatabaseCreate, DatabaseRead, SchemaCreate, SchemaRead

router = APIRouter(prefix="/databases", tags=["Catalog"])


@router.get("", summary="List databases")
async def list_databases(
    principal: CurrentPrincipal, window: CurrentOpenWindow, databases: Databases
) -> Page[DatabaseRead]:
    """Return the workspace's databases by name: all of them, unless `limit` says otherwise."""
    page = await databases.page(principal, window)
    return Page(data=[_database(each) for each in page.data], next_cursor=page.next_cursor)


@router.post("", status_code=201, summary="Create a database")
async def create_database(principal: Editor, body: DatabaseCreate, databases: Databases) -> DatabaseRead:
    """Create a database, and with it its schema `default`."""
    return _database(await databases.create(principal, body.name, body.description, body.location))


@router.get("/{id}", summary="Read a database")
async def read_database(principal: CurrentPrincipal, id: str, databases: Databases) -> DatabaseRead:  # noqa: A002 - as the reference has it
    """Return one database; its id is its name."""
    return _database(await databases.get(principal, id))


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
    return Page(data=[_schema(each) for each in page.data], next_cursor=page.next_cursor)


@router.post("/{id}/schemas", status_code=201, summary="Create a schema")
async def create_schema(principal: Editor, id: str, body: SchemaCreate, databases: Databases) -> SchemaRead:  # noqa: A002
    """Create a schema in a database."""
    return _schema(await databases.create_schema(principal, id, body.name, body.description))


@router.get("/{id}/schemas/{schema}", summary="Read a schema")
async def read_schema(principal: CurrentPrincipal, id: str, schema: str, databases: Databases) -> SchemaRead:  # noqa: A002
    """Return one schema."""
    return _schema(await databases.get_schema(principal, id, schema))


@router.delete("/{id}/schemas/{schema}", status_code=204, summary="Delete a schema")
async def delete_schema(principal: Editor, id: str, schema: str, databases: Databases) -> None:  # noqa: A002
    """Delete an empty schema; 409 while it holds tables or views."""
    await databases.delete_schema(principal, id, schema)


def _database(database: Database) -> DatabaseRead:
    name = database.namespace[0]
    return DatabaseRead(
        id=name,
        name=name,
        description=database.description,
        location=database.location,
        created_at=database.created,
    )


def _schema(schema: Database) -> SchemaRead:
    return SchemaRead(name=schema_of(schema.namespace), database=schema.namespace[0], description=schema.description)

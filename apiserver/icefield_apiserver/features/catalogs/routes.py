"""Read-only access to the workspace's catalog under its names in SQL, for oleander's clients."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import Depends, Query, Response

from icefield_apiserver.core.catalog.sizes import PartitionFilter
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .schemas import (
    CatalogList,
    CatalogTableList,
    NamespaceList,
    TableMetadata,
    TableSize,
    registered_of,
    size_of,
    table_ref_of,
)
from .service import CatalogService

MAX_FILTERS = 32
TABLE = "/{catalog}/namespaces/{namespace}/tables/{table}"

router = Router(prefix="/catalogs", tags=["Catalog"])

NamedCatalogs = Annotated[CatalogService, Depends(provided(CatalogService))]


@router.get("", summary="List the names of the catalog")
async def list_catalogs(
    principal: CurrentPrincipal,
    catalogs: NamedCatalogs,
    counts: Annotated[bool, Query(description="Whether to list the tables as well.")] = False,
) -> CatalogList:
    """Return the names of the workspace's catalog in SQL: its slug and its aliases."""
    workspace = catalogs.workspace(principal)
    if not counts:
        return CatalogList(registered_catalogs=registered_of(workspace, None))
    tables = await catalogs.all_tables(principal)
    return CatalogList(
        catalogs=[table_ref_of(principal.workspace, table) for table in tables],
        registered_catalogs=registered_of(workspace, len(tables)),
    )


@router.get("/{catalog}/namespaces", summary="List the namespaces of the catalog")
async def list_namespaces(principal: CurrentPrincipal, catalog: str, catalogs: NamedCatalogs) -> NamespaceList:
    """Return the databases (`sales`) and their schemas (`sales.raw`)."""
    found = await catalogs.namespaces(principal, catalog)
    return NamespaceList(catalog=catalog, namespaces=[".".join(namespace) for namespace in found])


@router.get("/{catalog}/namespaces/{namespace}/tables", summary="List the tables of a namespace")
async def list_catalog_tables(
    principal: CurrentPrincipal, catalog: str, namespace: str, catalogs: NamedCatalogs
) -> CatalogTableList:
    """Return the tables of one database or schema; views are not included."""
    found = await catalogs.tables(principal, catalog, namespace)
    return CatalogTableList(tables=[table_ref_of(catalog, table) for table in found])


@router.get(TABLE, summary="Read a table's Iceberg metadata", response_model=TableMetadata)
async def read_table_metadata(
    principal: CurrentPrincipal, catalog: str, namespace: str, table: str, catalogs: NamedCatalogs
) -> Response:
    """Return the Iceberg metadata of a table: schemas, partition specs, snapshots, properties."""
    loaded = await catalogs.table(principal, catalog, namespace, table)
    return Response(orjson.dumps({"ok": True, "table": loaded.metadata}), media_type="application/json")


@router.get(f"{TABLE}/size", summary="Read a table's size")
async def read_table_size(
    principal: CurrentPrincipal,
    catalog: str,
    namespace: str,
    table: str,
    catalogs: NamedCatalogs,
    snapshot_id: Annotated[
        str | None,
        Query(alias="snapshotId", pattern=r"^[0-9]{1,19}$", description="Id of the snapshot; else the current one."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        Query(alias="partitionKey", max_length=MAX_FILTERS, description="Names of partition fields."),
    ] = None,
    values: Annotated[
        list[str] | None,
        Query(
            alias="partitionValue",
            max_length=MAX_FILTERS,
            description="Values of these fields, in the same order.",
        ),
    ] = None,
) -> TableSize:
    """Return the number of bytes, rows and files of a table, a snapshot or some partitions.

    Filters on different partition fields must all match; several values of one field are alternatives.
    """
    if len(keys or ()) != len(values or ()):
        raise BadRequest("Each partitionKey needs a partitionValue.")
    filters = [PartitionFilter(key, value) for key, value in zip(keys or (), values or (), strict=True)]
    loaded = await catalogs.table(principal, catalog, namespace, table)
    snapshot = int(snapshot_id) if snapshot_id is not None else None
    found = await catalogs.size(principal, loaded, f"{namespace}.{table}", snapshot, filters)
    return size_of(catalog, namespace, table, found, filters)

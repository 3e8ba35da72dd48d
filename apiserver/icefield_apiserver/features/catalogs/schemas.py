"""REST schemas of the workspace's catalog in oleander's API (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from icefield_apiserver.core.catalog.sizes import PartitionFilter
from icefield_crds import Workspace
from icefield_crds.names import public_id

from .service import SizeOfTable, TableName


class CatalogTable(BaseModel):
    """The full name of a table."""

    catalog: str = Field(description="Name of the catalog.", examples=["acme"])
    namespace: str = Field(description="Name of the database, or of database and schema.", examples=["sales.raw"])
    table: str = Field(description="Name of the table.", examples=["orders"])


class RegisteredCatalog(BaseModel):
    """A name of the workspace's catalog."""

    name: str = Field(description="Name of the catalog: the workspace's slug or an alias.", examples=["oleander"])
    type: str = Field(description="Type of the catalog.", examples=["iceberg"])
    properties: dict[str, Any] = Field(description="`alias_of` for an alias: the workspace's slug.")
    id: str = Field(description="Id of the workspace.")
    created_at: datetime | None = Field(description="When the workspace was created.")
    table_count: int | None = Field(
        default=None, serialization_alias="tableCount", description="Number of tables; only with `counts`."
    )


class CatalogList(BaseModel):
    """The names of the workspace's catalog, and its tables when requested."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have another HTTP status.")
    catalogs: list[CatalogTable] = Field(default=[], description="All tables; only with `counts`.")
    registered_catalogs: list[RegisteredCatalog] = Field(
        serialization_alias="registeredCatalogs", description="The slug, followed by the aliases."
    )


class NamespaceList(BaseModel):
    """The databases and schemas of the catalog."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have another HTTP status.")
    catalog: str = Field(description="Name of the catalog, as requested.")
    namespaces: list[str] = Field(description="Namespaces by name.", examples=[["sales", "sales.raw"]])


class CatalogTableList(BaseModel):
    """The tables of a namespace."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have another HTTP status.")
    tables: list[CatalogTable] = Field(description="Tables by name.")


class TableMetadata(BaseModel):
    """The Iceberg metadata of a table."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have another HTTP status.")
    table: dict[str, Any] = Field(description='Metadata of the table (Iceberg, "Table Metadata").')


class SizeFilter(BaseModel):
    """A filter on the partitions."""

    key: str = Field(description="Name of the partition field.", examples=["ts_day"])
    value: str = Field(description="Value of the partition field.", examples=["2026-01-31"])


class TableSize(BaseModel):
    """The size of a table. Large numbers are strings, since JavaScript's numbers are exact to 2^53 only."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have another HTTP status.")
    catalog: str = Field(description="Name of the catalog, as requested.")
    namespace: str = Field(description="Name of the database, or of database and schema.")
    table: str = Field(description="Name of the table.")
    snapshot_id: str | None = Field(
        serialization_alias="snapshotId", description="Id of the snapshot; null for a table without snapshots."
    )
    size_bytes: str = Field(serialization_alias="sizeBytes", description="Total bytes of data and delete files.")
    record_count: str = Field(
        serialization_alias="recordCount",
        description="Number of rows minus position deletes; equality deletes are not subtracted.",
    )
    data_file_count: int = Field(serialization_alias="dataFileCount", description="Number of data files.")
    partition_filters: list[SizeFilter] = Field(
        serialization_alias="partitionFilters", description="Filters on the partitions; all partitions when empty."
    )


def table_ref_of(catalog: str, table: TableName) -> CatalogTable:
    """Return the full name of a table as REST shows it."""
    return CatalogTable(catalog=catalog, namespace=".".join(table.namespace), table=table.name)


def registered_of(workspace: Workspace, table_count: int | None) -> list[RegisteredCatalog]:
    """Return every name of a workspace's catalog."""
    meta = workspace.metadata
    return [
        RegisteredCatalog(
            name=name,
            type="iceberg",
            properties={"alias_of": meta.name} if name != meta.name else {},
            id=public_id("ws", meta.uid),
            created_at=meta.creation_timestamp,
            table_count=table_count,
        )
        for name in dict.fromkeys(workspace.catalog_names)
    ]


def size_of(catalog: str, namespace: str, table: str, found: SizeOfTable, filters: list[PartitionFilter]) -> TableSize:
    """Return a table's size as REST shows it."""
    return TableSize(
        catalog=catalog,
        namespace=namespace,
        table=table,
        snapshot_id=str(found.snapshot_id) if found.snapshot_id is not None else None,
        size_bytes=str(found.size.size_bytes),
        record_count=str(found.size.record_count),
        data_file_count=found.size.data_file_count,
        partition_filters=[SizeFilter(key=each.key, value=each.value) for each in filters],
    )

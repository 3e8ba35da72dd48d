"""The workspace's catalog as oleander's API says it (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from icefield_apiserver.catalog.sizes import PartitionFilter
from icefield_apiserver.repositories.catalogs import SizeOfTable, TableName
from icefield_crds import Workspace
from icefield_crds.names import public_id


class CatalogTable(BaseModel):
    """A table by its three names."""

    catalog: str = Field(description="The catalog.", examples=["acme"])
    namespace: str = Field(description="The database, or database and schema.", examples=["sales.raw"])
    table: str = Field(description="The table.", examples=["orders"])


class RegisteredCatalog(BaseModel):
    """A name of the workspace's catalog."""

    name: str = Field(description="The name: the workspace's slug or one of its aliases.", examples=["oleander"])
    type: str = Field(description="What kind of catalog it is.", examples=["iceberg"])
    properties: dict[str, Any] = Field(description="For an alias, of what: `alias_of`.")
    id: str = Field(description="The workspace's id.")
    created_at: datetime | None = Field(description="When the workspace was created.")
    table_count: int | None = Field(
        default=None, serialization_alias="tableCount", description="How many tables there are; with `counts` only."
    )


class CatalogList(BaseModel):
    """The names of the workspace's catalog, and on request its tables."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    catalogs: list[CatalogTable] = Field(default=[], description="Every table, with `counts` only.")
    registered_catalogs: list[RegisteredCatalog] = Field(
        serialization_alias="registeredCatalogs", description="The slug, and then the aliases."
    )


class NamespaceList(BaseModel):
    """The databases and schemas of the catalog."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    catalog: str = Field(description="The catalog, as it was asked for.")
    namespaces: list[str] = Field(description="By name.", examples=[["sales", "sales.raw"]])


class CatalogTableList(BaseModel):
    """The tables of a namespace."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    tables: list[CatalogTable] = Field(description="By name.")


class TableMetadata(BaseModel):
    """What Iceberg knows of a table."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    table: dict[str, Any] = Field(description='The table\'s metadata as it is (Iceberg, "Table Metadata").')


class SizeFilter(BaseModel):
    """Which partitions were asked for."""

    key: str = Field(description="The partition field.", examples=["ts_day"])
    value: str = Field(description="Its value.", examples=["2026-01-31"])


class TableSize(BaseModel):
    """How much a table holds. Numbers are texts, for they may be larger than what JavaScript counts exactly."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    catalog: str = Field(description="The catalog, as it was asked for.")
    namespace: str = Field(description="The database, or database and schema.")
    table: str = Field(description="The table.")
    snapshot_id: str | None = Field(
        serialization_alias="snapshotId", description="Of which snapshot; null for a table that was never written to."
    )
    size_bytes: str = Field(serialization_alias="sizeBytes", description="Bytes of data and delete files.")
    record_count: str = Field(
        serialization_alias="recordCount",
        description="Rows, less those deleted by position; equality deletes are not taken off.",
    )
    data_file_count: int = Field(serialization_alias="dataFileCount", description="Files with rows.")
    partition_filters: list[SizeFilter] = Field(
        serialization_alias="partitionFilters", description="Which partitions were counted; all when empty."
    )


def table_ref_of(catalog: str, table: TableName) -> CatalogTable:
    """Return a table by its names."""
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

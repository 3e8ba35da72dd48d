"""Databases, schemas, tables, views and snapshots as REST says them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.catalog.facts import Column, Snapshot, TableFacts, view_schema, view_text
from icefield_apiserver.catalog.facts import columns_of as columns_of_schema
from icefield_apiserver.catalog.loaded import LoadedView, Namespace, dotted
from icefield_apiserver.catalog.names import MAX_LENGTH, schema_of

from .execution import OptionalText

MAX_COLUMNS = 5000
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]


class DatabaseCreate(BaseModel):
    """A database that shall be."""

    name: Name = Field(description="What it is called: no dots, slashes or quotes, and not as the catalog.")
    description: OptionalText = Field(default=None, max_length=4096, description="What it is for.")
    location: OptionalText = Field(
        default=None, max_length=2048, description="Where its tables lie, below the workspace's prefix of the bucket."
    )


class DatabaseRead(BaseModel):
    """A database: a namespace of the workspace's Iceberg catalog."""

    id: str = Field(description="Its name.", examples=["sales"])
    name: str = Field(description="Its name.", examples=["sales"])
    description: str | None = Field(description="What it is for.")
    location: str | None = Field(description="Where its tables lie, where the catalog says so.")
    created_at: datetime | None = Field(description="When it was created, where that is known.")


class SchemaCreate(BaseModel):
    """A schema that shall be."""

    name: Name = Field(description="What it is called; `default` is the database itself.")
    description: OptionalText = Field(default=None, max_length=4096, description="What it is for.")


class SchemaRead(BaseModel):
    """A schema of a database; every database has the schema `default`."""

    name: str = Field(description="Its name.", examples=["default"])
    database: str = Field(description="The database it is in.")
    description: str | None = Field(description="What it is for.")


class ColumnWrite(BaseModel):
    """A column that shall be."""

    name: str = Field(min_length=1, max_length=255, description="Its name.")
    type: str = Field(
        min_length=1,
        max_length=16_384,
        description="long, int, string, double, float, boolean, timestamp, timestamptz, date, time, binary, uuid, "
        "decimal(p,s), list<…>, map<…,…>, struct<name:…>, or what SQL engines call these.",
    )
    nullable: bool = Field(default=True, description="Whether it may hold nulls.")
    description: OptionalText = Field(default=None, max_length=4096, description="What it holds.")

    def to_column(self) -> Column:
        """Return the column as the catalog's side knows it."""
        return Column(self.name, self.type, self.nullable, self.description)


class TableCreate(BaseModel):
    """A table that shall be."""

    name: Name = Field(description="What it is called: no dots, slashes or quotes.")
    description: OptionalText = Field(default=None, max_length=4096, description="What it is for.")
    columns: list[ColumnWrite] = Field(min_length=1, max_length=MAX_COLUMNS, description="Its columns.")
    partition_columns: list[str] | None = Field(
        default=None, max_length=100, description="Columns, or transforms such as days(ts) and bucket(16, id)."
    )
    properties: dict[str, Text] | None = Field(default=None, max_length=200, description="Properties of the table.")
    schema_name: OptionalText = Field(
        default=None, alias="schema", description="The schema it is in; default when absent."
    )


class ColumnRead(BaseModel):
    """A column."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Its Iceberg type.", examples=["decimal(10,2)"])
    nullable: bool = Field(description="Whether it may hold nulls.")
    description: str | None = Field(description="What it holds.")


class SchemaColumn(BaseModel):
    """A column's name and Iceberg type."""

    name: str = Field(description="Its name.", examples=["amount"])
    type: str = Field(description="Its Iceberg type.", examples=["decimal(10,2)"])


class TableColumns(BaseModel):
    """A table's columns."""

    columns: list[SchemaColumn] = Field(description="In the table's order.")


class TableSummary(BaseModel):
    """A table in a list."""

    kind: Literal["table"] = Field(default="table", description="Tables and views are told apart by this.")
    id: str = Field(description="Its name.", examples=["orders"])
    name: str = Field(description="Its name.", examples=["orders"])
    full_name: str = Field(description="What SQL calls it.", examples=["sales.orders", "sales.raw.orders"])
    database: str = Field(description="The database it is in.")
    schema_name: str = Field(serialization_alias="schema", description="The schema it is in.", examples=["default"])
    description: str | None = Field(description="What it is for.")
    row_count: int | None = Field(
        description="Rows of the current snapshot, as its writers counted; null where equality deletes hide it."
    )
    current_snapshot_id: int | None = Field(description="The current snapshot; null before the first write.")
    snapshot_at: datetime | None = Field(description="When the current snapshot was made.")
    size_bytes: int | None = Field(description="Bytes of the current snapshot's files.")
    file_count: int | None = Field(description="Data files of the current snapshot.")
    location: str = Field(description="Where it lies.")
    updated_at: datetime | None = Field(description="When it last changed in any way.")


class TableRead(TableSummary):
    """A table."""

    columns: list[ColumnRead] = Field(description="Its columns.")
    partition_columns: list[str] = Field(description="Columns, or transforms of them, that partition it.")
    properties: dict[str, str] = Field(description="Its properties.")
    format_version: int = Field(description="Version of the Iceberg table format.")
    metadata_location: str = Field(description="Its current metadata file.")


class ViewSummary(BaseModel):
    """A view in a list."""

    kind: Literal["view"] = Field(default="view", description="Tables and views are told apart by this.")
    id: str = Field(description="Its name.")
    name: str = Field(description="Its name.")
    full_name: str = Field(description="What SQL calls it.")
    database: str = Field(description="The database it is in.")
    schema_name: str = Field(serialization_alias="schema", description="The schema it is in.")


class ViewRead(ViewSummary):
    """A view."""

    description: str | None = Field(description="What it is for.")
    query: str = Field(description="Its text.")
    dialect: str = Field(description="The dialect of the text.")
    columns: list[ColumnRead] = Field(description="Its columns.")


class SnapshotRead(BaseModel):
    """A state of a table."""

    snapshot_id: int = Field(description="Iceberg's id of it.")
    parent_id: int | None = Field(description="The snapshot it was made of.")
    created_at: datetime = Field(description="When it was made.")
    operation: str | None = Field(description="append, replace, overwrite or delete.")
    is_current: bool = Field(description="Whether the table is in this state now.")
    row_count: int | None = Field(description="Rows it has; null where equality deletes hide it.")
    size_bytes: int | None = Field(description="Bytes of its files.")
    summary: dict[str, str] = Field(description="What its writer said of it.")


class Rollback(BaseModel):
    """Which state a table shall go back to."""

    snapshot_id: int = Field(description="One of the table's snapshots.")


MaintenanceOperation = Literal["expire_snapshots", "remove_orphan_files", "compact"]


class MaintenanceOptions(BaseModel):
    """What the operations leave and make."""

    older_than: datetime | None = Field(
        default=None,
        description="expire_snapshots and remove_orphan_files: what is younger stays. The engine's own when absent "
        "(5 days, 3 days). For orphan files it is a day ago or more.",
    )
    retain_last: int | None = Field(
        default=None, ge=1, le=100_000, description="expire_snapshots: how many snapshots stay at least."
    )
    target_file_size_bytes: int | None = Field(
        default=None, ge=1024 * 1024, le=16 * 1024**3, description="compact: how large the files shall be."
    )


class Maintenance(BaseModel):
    """What shall be done to keep a table quick and small."""

    operations: list[MaintenanceOperation] = Field(min_length=1, max_length=3, description="In this order.")
    options: MaintenanceOptions | None = Field(default=None, description="What the operations leave and make.")
    warehouse_id: OptionalText = Field(default=None, description="The warehouse that does it, by id or name.")


def columns_of(columns: tuple[Column, ...]) -> list[ColumnRead]:
    """Return columns as REST shows them."""
    return [ColumnRead(name=c.name, type=c.type, nullable=c.nullable, description=c.description) for c in columns]


def summary_of(namespace: Namespace, name: str, facts: TableFacts) -> TableSummary:
    """Return a table as lists show it."""
    return TableSummary(**_fields(namespace, name, facts))


def table_of(namespace: Namespace, name: str, facts: TableFacts) -> TableRead:
    """Return a table as REST shows it."""
    return TableRead(
        **_fields(namespace, name, facts),
        columns=columns_of(facts.columns),
        partition_columns=list(facts.partitioning),
        properties=dict(facts.properties),
        format_version=facts.format_version,
        metadata_location=facts.metadata_location,
    )


def view_of(namespace: Namespace, name: str, view: LoadedView) -> ViewRead:
    """Return a view as REST shows it."""
    query, dialect = view_text(view)
    return ViewRead(
        **place_of(namespace, name),
        description=(view.metadata.get("properties") or {}).get("comment"),
        query=query,
        dialect=dialect,
        columns=columns_of(columns_of_schema(view_schema(view))),
    )


def snapshot_of(snapshot: Snapshot, current: int | None) -> SnapshotRead:
    """Return a snapshot as REST shows it.

    Args:
        snapshot: which.
        current: id of the table's current snapshot.
    """
    return SnapshotRead(
        snapshot_id=snapshot.id,
        parent_id=snapshot.parent_id,
        created_at=snapshot.time,
        operation=snapshot.operation,
        is_current=snapshot.id == current,
        row_count=snapshot.row_count,
        size_bytes=snapshot.size_bytes,
        summary=dict(snapshot.summary),
    )


def place_of(namespace: Namespace, name: str) -> dict[str, str]:
    """Return the fields that say where a table or a view is."""
    return {
        "id": name,
        "full_name": dotted(namespace, name),
        "name": name,
        "database": namespace[0],
        "schema_name": schema_of(namespace),
    }


def _fields(namespace: Namespace, name: str, facts: TableFacts) -> dict[str, Any]:
    current = facts.current
    return {
        **place_of(namespace, name),
        "description": facts.description,
        "row_count": current.row_count if current else 0,
        "current_snapshot_id": current.id if current else None,
        "snapshot_at": current.time if current else None,
        "size_bytes": current.size_bytes if current else 0,
        "file_count": current.file_count if current else 0,
        "location": facts.location,
        "updated_at": facts.updated,
    }

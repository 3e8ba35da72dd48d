"""REST schemas of tables, views and snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.core.catalog.metadata import ColumnInfo, SnapshotInfo, TableInfo, view_schema, view_text
from icefield_apiserver.core.catalog.metadata import columns_of as columns_of_schema
from icefield_apiserver.core.catalog.model import LoadedView, Namespace
from icefield_apiserver.core.catalog.names import NameField, schema_of
from icefield_apiserver.core.catalog.table_definition import TableDefinition
from icefield_apiserver.core.execution import OptionalText
from icefield_apiserver.core.schemas import Bounded, RequestBody
from icefield_sql import TableName

MAX_COLUMNS = 5000
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]


class ColumnWrite(RequestBody):
    """A column of a table to be created."""

    name: str = Field(min_length=1, max_length=255, description="Name of the column.")
    type: str = Field(
        min_length=1,
        max_length=16_384,
        description="long, int, string, double, float, boolean, timestamp, timestamptz, date, time, binary, uuid, "
        "decimal(p,s), list<…>, map<…,…>, struct<name:…>, or the SQL names of these types.",
    )
    nullable: bool = Field(default=True, description="Whether it may hold nulls.")
    description: OptionalText = Field(default=None, max_length=4096, description="Free-text description.")

    def to_column(self) -> ColumnInfo:
        """Return the column as a domain type."""
        return ColumnInfo(self.name, self.type, self.nullable, self.description)


class TableCreate(RequestBody):
    """Request body to create a table."""

    name: NameField = Field(description="Name of the table: no dots, slashes or quotes.")
    description: OptionalText = Field(default=None, max_length=4096, description="Free-text description.")
    columns: list[ColumnWrite] = Field(min_length=1, max_length=MAX_COLUMNS, description="Columns of the table.")
    partition_columns: list[str] | None = Field(
        default=None, max_length=100, description="Columns, or transforms such as days(ts) and bucket(16, id)."
    )
    properties: Annotated[dict[str, Text], Bounded] | None = Field(
        default=None, max_length=200, description="Table properties."
    )
    schema_name: OptionalText = Field(default=None, alias="schema", description="Name of its schema; else default.")

    def to_definition(self) -> TableDefinition:
        """Return the table as a domain type."""
        return TableDefinition(
            name=self.name,
            columns=[column.to_column() for column in self.columns],
            partitioning=self.partition_columns or (),
            properties=self.properties or {},
            description=self.description,
        )


class ColumnRead(BaseModel):
    """A column of a table or view."""

    name: str = Field(description="Name of the column.")
    type: str = Field(description="Iceberg type of the column.", examples=["decimal(10,2)"])
    nullable: bool = Field(description="Whether it may hold nulls.")
    description: str | None = Field(description="Free-text description.")


class SchemaColumn(BaseModel):
    """A column's name and Iceberg type."""

    name: str = Field(description="Name of the column.", examples=["amount"])
    type: str = Field(description="Iceberg type of the column.", examples=["decimal(10,2)"])


class TableColumns(BaseModel):
    """The columns of a table."""

    columns: list[SchemaColumn] = Field(description="Columns in the order of the table's schema.")


class TableSummary(BaseModel):
    """A table in a list."""

    kind: Literal["table"] = Field(default="table", description="Distinguishes tables from views.")
    id: str = Field(description="Id of the table; equal to its name.", examples=["orders"])
    name: str = Field(description="Name of the table.", examples=["orders"])
    full_name: str = Field(
        description="Name of the table as SQL takes it, in backticks where it needs them.",
        examples=["sales.orders", "sales.raw.orders", "`my-sales`.orders"],
    )
    database: str = Field(description="Name of its database.")
    schema_name: str = Field(serialization_alias="schema", description="Name of its schema.", examples=["default"])
    description: str | None = Field(description="Free-text description.")
    row_count: int | None = Field(
        description="Rows of the current snapshot, from its summary; null when equality deletes make it unknown."
    )
    current_snapshot_id: int | None = Field(description="Id of the current snapshot; null before the first write.")
    snapshot_at: datetime | None = Field(description="When the current snapshot was committed.")
    size_bytes: int | None = Field(description="Total bytes of the current snapshot's files.")
    file_count: int | None = Field(description="Number of data files of the current snapshot.")
    location: str = Field(description="URI under which the table is stored.")
    updated_at: datetime | None = Field(description="When its metadata was last changed.")


class TableRead(TableSummary):
    """A table."""

    columns: list[ColumnRead] = Field(description="Columns in schema order.")
    partition_columns: list[str] = Field(description="Partition columns, or transforms of columns.")
    properties: dict[str, str] = Field(description="Table properties.")
    format_version: int = Field(description="Iceberg format version.")
    metadata_location: str = Field(description="URI of the current metadata file.")


class ViewSummary(BaseModel):
    """A view in a list."""

    kind: Literal["view"] = Field(default="view", description="Distinguishes tables from views.")
    id: str = Field(description="Id of the view; equal to its name.")
    name: str = Field(description="Name of the view.")
    full_name: str = Field(description="Name of the view as SQL takes it, in backticks where it needs them.")
    database: str = Field(description="Name of its database.")
    schema_name: str = Field(serialization_alias="schema", description="Name of its schema.")


class ViewRead(ViewSummary):
    """A view."""

    description: str | None = Field(description="Free-text description.")
    query: str = Field(description="SQL text of the view.")
    dialect: str = Field(description="SQL dialect of the text.")
    columns: list[ColumnRead] = Field(description="Columns in schema order.")


class SnapshotRead(BaseModel):
    """A snapshot of a table."""

    snapshot_id: int = Field(description="Id of the snapshot.")
    parent_id: int | None = Field(description="Id of the parent snapshot.")
    created_at: datetime = Field(description="When it was committed.")
    operation: str | None = Field(description="Operation of the commit: append, replace, overwrite or delete.")
    is_current: bool = Field(description="Whether it is the current snapshot.")
    row_count: int | None = Field(description="Number of rows; null when equality deletes make it unknown.")
    size_bytes: int | None = Field(description="Total bytes of its files.")
    summary: dict[str, str] = Field(description="Summary of the snapshot, as its writer recorded it.")


class Rollback(RequestBody):
    """Request body to roll a table back."""

    snapshot_id: int = Field(description="Id of the snapshot to make current.")


def columns_of(columns: tuple[ColumnInfo, ...]) -> list[ColumnRead]:
    """Return columns as REST shows them."""
    return [ColumnRead(name=c.name, type=c.type, nullable=c.nullable, description=c.description) for c in columns]


def summary_of(namespace: Namespace, name: str, table: TableInfo) -> TableSummary:
    """Return a table as it is shown in lists."""
    return TableSummary(**_fields(namespace, name, table))


def table_of(namespace: Namespace, name: str, table: TableInfo) -> TableRead:
    """Return a table as REST shows it."""
    return TableRead(
        **_fields(namespace, name, table),
        columns=columns_of(table.columns),
        partition_columns=list(table.partitioning),
        properties=dict(table.properties),
        format_version=table.format_version,
        metadata_location=table.metadata_location,
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


def snapshot_of(snapshot: SnapshotInfo, current: int | None) -> SnapshotRead:
    """Return a snapshot as REST shows it.

    Args:
        snapshot: the snapshot.
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
    """Return the fields that identify a table or view."""
    return {
        "id": name,
        "full_name": TableName(namespace, name).quoted(),
        "name": name,
        "database": namespace[0],
        "schema_name": schema_of(namespace),
    }


def _fields(namespace: Namespace, name: str, table: TableInfo) -> dict[str, Any]:
    current = table.current
    return {
        **place_of(namespace, name),
        "description": table.description,
        "row_count": current.row_count if current else 0,
        "current_snapshot_id": current.id if current else None,
        "snapshot_at": current.time if current else None,
        "size_bytes": current.size_bytes if current else 0,
        "file_count": current.file_count if current else 0,
        "location": table.location,
        "updated_at": table.updated,
    }

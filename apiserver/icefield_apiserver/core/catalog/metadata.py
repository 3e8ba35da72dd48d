"""Reads table and view metadata (Iceberg, "Table Metadata", "View Spec"). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .model import LoadedTable, LoadedView
from .types import type_name


@dataclass(frozen=True)
class ColumnInfo:
    """A column of a table: its type as `types.type_name` writes it."""

    name: str
    type: str
    nullable: bool
    description: str | None


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot of a table.

    Attributes:
        id: Iceberg's snapshot id.
        row_count: number of rows; None where equality deletes make it unknown without reading the data.
        size_bytes: bytes of its data and delete files.
        summary: the snapshot's summary, as its writer recorded it.
    """

    id: int
    parent_id: int | None
    time: datetime
    operation: str | None
    row_count: int | None
    size_bytes: int | None
    file_count: int | None
    summary: Mapping[str, str]


@dataclass(frozen=True)
class TableInfo:
    """A table, read from its metadata.

    Attributes:
        current: its current snapshot; None before the first write.
        partitioning: its partition fields as expressions, as Spark SQL has them, such as `days(ts)`.
    """

    uuid: str
    location: str
    metadata_location: str
    format_version: int
    description: str | None
    columns: tuple[ColumnInfo, ...]
    partitioning: tuple[str, ...]
    properties: Mapping[str, str]
    current: SnapshotInfo | None
    updated: datetime | None


def table_info(table: LoadedTable) -> TableInfo:
    """Return a table, read from its metadata."""
    metadata = table.metadata
    schema = current_schema(metadata)
    properties = metadata.get("properties") or {}
    current_id = current_snapshot_id(metadata)
    current = next((s for s in metadata.get("snapshots") or () if s["snapshot-id"] == current_id), None)
    updated = metadata.get("last-updated-ms")
    return TableInfo(
        uuid=str(metadata.get("table-uuid") or ""),
        location=str(metadata["location"]),
        metadata_location=table.metadata_location,
        format_version=int(metadata["format-version"]),
        description=properties.get("comment"),
        columns=columns_of(schema),
        partitioning=partitioning_of(metadata, schema),
        properties=properties,
        current=snapshot_of(current) if current else None,
        updated=moment(updated) if updated else None,
    )


def snapshots_of(metadata: Mapping[str, Any]) -> list[SnapshotInfo]:
    """Return a table's snapshots, newest first."""
    found = (snapshot_of(snapshot) for snapshot in metadata.get("snapshots") or ())
    return sorted(found, key=lambda snapshot: (snapshot.time, snapshot.id), reverse=True)


def snapshot_of(snapshot: Mapping[str, Any]) -> SnapshotInfo:
    """Return a snapshot, read from its JSON."""
    summary: Mapping[str, str] = snapshot.get("summary") or {}
    return SnapshotInfo(
        id=int(snapshot["snapshot-id"]),
        parent_id=snapshot.get("parent-snapshot-id"),
        time=moment(snapshot["timestamp-ms"]),
        operation=summary.get("operation"),
        row_count=_row_count(summary),
        size_bytes=_number(summary, "total-files-size"),
        file_count=_number(summary, "total-data-files"),
        summary=summary,
    )


def current_snapshot_id(metadata: Mapping[str, Any]) -> int | None:
    """Return the id of a table's current snapshot; older writers record -1 for none."""
    current = metadata.get("current-snapshot-id")
    return None if current in (None, -1) else int(current)


def current_schema(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the current schema of a table's metadata; format version 1 may have a single one."""
    current = metadata.get("current-schema-id", 0)
    schemas: Sequence[Mapping[str, Any]] = metadata.get("schemas") or ()
    found = next((schema for schema in schemas if schema.get("schema-id") == current), None)
    return found if found is not None else metadata.get("schema") or {"fields": []}


def view_version(view: LoadedView) -> Mapping[str, Any]:
    """Return the current version of a view."""
    current = view.metadata.get("current-version-id")
    version: Mapping[str, Any] = next(v for v in view.metadata["versions"] if v["version-id"] == current)
    return version


def view_schema(view: LoadedView) -> Mapping[str, Any]:
    """Return the schema of the current version of a view."""
    wanted = view_version(view).get("schema-id")
    schemas: Sequence[Mapping[str, Any]] = view.metadata.get("schemas") or ()
    return next((schema for schema in schemas if schema.get("schema-id") == wanted), {"fields": []})


def view_text(view: LoadedView) -> tuple[str, str]:
    """Return the SQL text of a view's current version and its dialect; see text_of_view."""
    return text_of_view(view_version(view))


def text_of_view(version: Mapping[str, Any]) -> tuple[str, str]:
    """Return the SQL text of a version of a view and its dialect; the Spark representation where it has several.

    Spelled in any case, as Java's `equalsIgnoreCase` takes it: what is checked must be the text that Spark reads.
    """
    texts = [text for text in version.get("representations") or () if str(text.get("type")).casefold() == "sql"]
    texts.sort(key=lambda text: str(text.get("dialect", "")).casefold() != "spark")
    return (str(texts[0]["sql"]), str(texts[0].get("dialect") or "spark").casefold()) if texts else ("", "spark")


def columns_of(
    schema: Mapping[str, Any], named: Callable[[str | Mapping[str, Any]], str] = type_name
) -> tuple[ColumnInfo, ...]:
    """Return the columns of a schema's JSON, their types formatted by `named`."""
    return tuple(
        ColumnInfo(
            name=str(field["name"]),
            type=named(field["type"]),
            nullable=not field.get("required", False),
            description=field.get("doc"),
        )
        for field in schema["fields"]
    )


def partitioning_of(metadata: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the partition fields as Spark SQL's expressions: `region`, `days(ts)`, `bucket(16,id)`."""
    default = metadata.get("default-spec-id", 0)
    specs = metadata.get("partition-specs") or ()
    fields = next((spec.get("fields") or () for spec in specs if spec.get("spec-id") == default), ())
    names = {field["id"]: str(field["name"]) for field in schema["fields"]}
    return tuple(_expression(field["transform"], names.get(field["source-id"], field["name"])) for field in fields)


def moment(milliseconds: int) -> datetime:
    """Return the time so many milliseconds after the epoch, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _expression(transform: str, source: str) -> str:
    if transform == "identity":
        return source
    name, _, argument = transform.rstrip("]").partition("[")
    if name in ("year", "month", "day", "hour"):
        name = f"{name}s"
    return f"{name}({argument},{source})" if argument else f"{name}({source})"


def _row_count(summary: Mapping[str, str]) -> int | None:
    records = _number(summary, "total-records")
    if records is None or _number(summary, "total-equality-deletes"):
        return None
    return max(0, records - (_number(summary, "total-position-deletes") or 0))


def _number(summary: Mapping[str, str], key: str) -> int | None:
    try:
        return int(summary[key])
    except (KeyError, ValueError):
        return None

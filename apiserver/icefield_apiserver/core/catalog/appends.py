"""Why the rows of an INSERT are written by Spark: what of a table the warehouse's own writer leaves to it. Pure.

The writer (icefield_engines.warehouse.writes) makes Parquet files with the statistics that Iceberg's Java library
would make. Names are those of Iceberg's "Table Spec" and "Configuration".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import metadata as table_metadata

FORMAT_VERSION = 2
_TYPES = re.compile(r"boolean|int|long|float|double|decimal\(\d+, ?\d+\)|date|timestamp|timestamptz|string|binary")
_TRANSFORMS = re.compile(r"identity|bucket\[\d+\]|truncate\[\d+\]|year|month|day|hour")
_CODECS = frozenset({"zstd", "gzip", "snappy", "uncompressed"})
_PROPERTIES = re.compile(
    r"write\.(data\.path|folder-storage\.path|object-storage\.path|metadata\.path)"
    r"|write\.(py-)?location-provider\.impl|encryption\..*"
    r"|write\.parquet\.(bloom-filter-.*|row-group-size-bytes|stats-enabled\..*)"
)
"""Properties with an effect that the writer does not have."""


def append_obstacle(metadata: Mapping[str, Any]) -> str | None:
    """Return why rows are appended to a table by Spark, as the end of a sentence; None where they need not be."""
    version = int(metadata["format-version"])
    if version != FORMAT_VERSION:
        return f"the table has format version {version}."
    if int(metadata.get("default-sort-order-id") or 0) != 0:
        return "the table has a sort order."
    schema = table_metadata.current_schema(metadata)
    obstacles = (_of_columns(schema), _of_partitions(metadata, schema), _of_properties(metadata))
    return next((obstacle for obstacle in obstacles if obstacle), None)


def _of_columns(schema: Mapping[str, Any]) -> str | None:
    for field in schema["fields"]:
        for kind, is_required in _types_in(field["type"]):
            if not _TYPES.fullmatch(kind):
                return f"the column {field['name']} has the type {kind}."
            if is_required:
                return f"the column {field['name']} has a NOT NULL inside."
    return None


def _types_in(kind: str | Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the types that are no nested ones in a type, and whether something in it is NOT NULL."""
    if isinstance(kind, str):
        yield kind, False
        return
    match kind["type"]:
        case "list":
            inner = [(kind["element"], kind["element-required"])]
        case "map":
            inner = [(kind["key"], False), (kind["value"], kind["value-required"])]
        case _:
            inner = [(field["type"], field["required"]) for field in kind["fields"]]
    for each, is_required in inner:
        for found, is_inner_required in _types_in(each):
            yield found, bool(is_required) or is_inner_required


def _of_partitions(metadata: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    columns = {field["id"]: field for field in schema["fields"]}
    for field in partition_fields(metadata):
        column, transform = columns.get(field["source-id"]), field["transform"]
        if column is None:
            return "a partition is made of a part of a column."
        if not _TRANSFORMS.fullmatch(transform) or (transform == "identity" and column["type"] in ("float", "double")):
            return f"a partition is {transform} of {column['name']}."
    return None


def partition_fields(metadata: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the fields of a table's current partition spec."""
    current = metadata.get("default-spec-id")
    specs = metadata.get("partition-specs") or ()
    return tuple(next((spec["fields"] for spec in specs if spec.get("spec-id") == current), ()))


def _of_properties(metadata: Mapping[str, Any]) -> str | None:
    properties: Mapping[str, str] = metadata.get("properties") or {}
    if (files := properties.get("write.format.default", "parquet").lower()) != "parquet":
        return f"the table's files are {files}."
    if (codec := properties.get("write.parquet.compression-codec", "zstd").lower()) not in _CODECS:
        return f"the table's files are compressed by {codec}."
    if properties.get("write.object-storage.enabled", "").lower() == "true":
        return "the table spreads its files (write.object-storage.enabled)."
    found = next((name for name in properties if _PROPERTIES.fullmatch(name)), None)
    return f"the table has the property {found}." if found else None

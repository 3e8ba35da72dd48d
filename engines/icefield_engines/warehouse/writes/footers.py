"""Data files that DuckDB wrote, as manifests have them: what is said of their columns is read from their footers."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties
from pyiceberg.types import DecimalType, DoubleType, FloatType, NestedField, PrimitiveType

from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.errors import Code, EngineError

from .data_files import data_file
from .files import WorkspaceFiles
from .schemas import file_schema
from .statistics import of_file

_CODEC = "write.parquet.compression-codec"
_OPTION = re.compile(r"write\.parquet\..*")
_WIDEST_DECIMAL = 18
"""Decimals of more digits are fixed-length bytes in Parquet; Iceberg prescribes another length than DuckDB writes."""


def data_files_target(table: Table) -> DataFilesTarget | None:
    """Return where DuckDB writes files of a table, in a folder of their own; None for one whose files it cannot write.

    Pure, but for the folder's name.
    """
    schema, properties = table.schema(), table.properties
    names = [field.name for field in schema.fields]
    if not table.spec().is_unpartitioned() or not all(map(_is_writable, schema.fields)):
        return None
    if file_schema(schema) != schema or len({name.lower() for name in names}) < len(names):
        return None
    if any(_OPTION.fullmatch(name) and name != _CODEC for name in properties):
        return None
    size = properties.get(
        TableProperties.WRITE_TARGET_FILE_SIZE_BYTES, TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT
    )
    return DataFilesTarget(
        table.location_provider().new_data_location(str(uuid.uuid4())),
        tuple((field.name, field.field_id) for field in schema.fields),
        properties.get(_CODEC, "zstd").lower(),
        int(size),
    )


def described(table: Table, files: WorkspaceFiles, location: str) -> DataFile:
    """Return what a manifest has of a file.

    Raises:
        EngineError: NOT_NULL; a column that needs values has none in some row.
        OSError: it cannot be read.
    """
    with files.file_system.open_input_file(files.path_of(location)) as stream:
        length, footer = stream.size(), pq.read_metadata(stream)
    schema = table.schema()
    found = of_file(footer, schema, table.properties, {})
    for field in schema.fields:
        if field.required and found["null_value_counts"].get(field.field_id, 1):
            raise EngineError(Code.NOT_NULL, f"NULL cannot be written into the column {field.name}.")
    unknown = _without_bounds(footer, schema)
    return data_file(table, location, (), length, {**found, **_checked(found, schema, unknown)})


def _checked(found: Mapping[str, dict[int, bytes]], schema: Schema, unknown: set[int]) -> dict[str, dict[int, Any]]:
    """Return the bounds of columns that are true of all rows, and how often columns are NaN.

    DuckDB has no bounds of a row group in which a number is NaN, and 0.0 for -0.0 in some.
    """
    lower = {field: value for field, value in found["lower_bounds"].items() if field not in unknown}
    upper = {field: value for field, value in found["upper_bounds"].items() if field not in unknown}
    nans = {}
    for field in schema.fields:
        if isinstance(field.field_type, FloatType | DoubleType) and field.field_id in found["value_counts"]:
            code = "<f" if isinstance(field.field_type, FloatType) else "<d"
            for bounds, zero in ((lower, -0.0), (upper, 0.0)):
                if field.field_id in bounds and struct.unpack(code, bounds[field.field_id])[0] == 0:
                    bounds[field.field_id] = struct.pack(code, zero)
            if field.field_id not in unknown:
                nans[field.field_id] = 0
    return {"lower_bounds": lower, "upper_bounds": upper, "nan_value_counts": nans}


def _without_bounds(footer: pq.FileMetaData, schema: Schema) -> set[int]:
    """Return the ids of the columns that have values but no bounds in some row group."""
    found = set()
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for index, field in enumerate(schema.fields):
            column = group.column(index)
            statistics = column.statistics
            if statistics is None or (not statistics.has_min_max and statistics.null_count < column.num_values):
                found.add(field.field_id)
    return found


def _is_writable(field: NestedField) -> bool:
    kind = field.field_type
    if isinstance(kind, DecimalType):
        return kind.precision <= _WIDEST_DECIMAL
    return isinstance(kind, PrimitiveType)

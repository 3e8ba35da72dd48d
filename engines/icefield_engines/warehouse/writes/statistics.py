"""Pure: what a manifest says of the columns of a data file (Iceberg spec, "Manifests")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import MetricModeTypes as Mode
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    match_metrics_mode,
    parquet_path_to_id_mapping,
)
from pyiceberg.schema import Schema
from pyiceberg.table import TableProperties
from pyiceberg.types import BinaryType, DoubleType, FloatType, NestedField, PrimitiveType, StringType, StructType

Nans = dict[int, int]
"""How often a field is NaN, by its id."""


def of_file(written: pq.FileMetaData, schema: Schema, properties: Mapping[str, str], nans: Nans) -> dict[str, Any]:
    """Return the fields of a DataFile that describe what is in it.

    Args:
        written: the footer of the file.
        schema: of the file.
        properties: of the table; they say of which columns there are bounds.
        nans: of the fields that have any or could.
    """
    plan = _plan(schema, properties)
    found = data_file_statistics_from_parquet_metadata(
        parquet_metadata=written, stats_columns=plan, parquet_column_mapping=parquet_path_to_id_mapping(schema)
    )
    kept = {field: count for field, count in nans.items() if plan[field].mode.type is not Mode.NONE}
    return {**found.to_serialized_dict(), "nan_value_counts": kept}


def count_nans(rows: pa.Table, schema: Schema, nans: Nans) -> None:
    """Add how often each field of floating point numbers is NaN, but for those inside lists and maps."""
    for field, column in zip(schema.fields, rows.columns, strict=True):
        for inner, values in _leaves(field, column):
            if isinstance(inner.field_type, FloatType | DoubleType):
                nans[inner.field_id] = nans.get(inner.field_id, 0) + (pc.sum(pc.is_nan(values)).as_py() or 0)


def _leaves(field: NestedField, values: pa.ChunkedArray) -> Iterator[tuple[NestedField, pa.ChunkedArray]]:
    if isinstance(field.field_type, StructType):
        for index, inner in enumerate(field.field_type.fields):
            yield from _leaves(inner, pc.struct_field(values, index))
    else:
        yield field, values


def _plan(schema: Schema, properties: Mapping[str, str]) -> dict[int, StatisticsCollector]:
    """Return what is told of each field, as Iceberg's Java library has it.

    PyIceberg has no bounds for fields of structs, and counts for those inside lists and maps.
    """
    default = properties.get(
        TableProperties.DEFAULT_WRITE_METRICS_MODE, TableProperties.DEFAULT_WRITE_METRICS_MODE_DEFAULT
    )
    plans = {
        field: replace(collector, mode=match_metrics_mode("none"))
        for field, collector in compute_statistics_plan(schema, {}).items()
    }
    for field in schema.fields:
        for inner, kind in _primitives_in(field):
            name = schema.find_column_name(inner) or ""
            mode = properties.get(f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.{name}", default)
            plans[inner] = _without_truncation(StatisticsCollector(inner, kind, match_metrics_mode(mode), name))
    return plans


def _primitives_in(field: NestedField) -> Iterator[tuple[int, PrimitiveType]]:
    if isinstance(field.field_type, StructType):
        for inner in field.field_type.fields:
            yield from _primitives_in(inner)
    elif isinstance(field.field_type, PrimitiveType):
        yield field.field_id, field.field_type


def _without_truncation(collector: StatisticsCollector) -> StatisticsCollector:
    if collector.mode.type is Mode.TRUNCATE and not isinstance(collector.iceberg_type, StringType | BinaryType):
        return replace(collector, mode=match_metrics_mode("full"))
    return collector

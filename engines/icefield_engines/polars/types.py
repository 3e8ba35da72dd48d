"""Polars' types beside Iceberg's: what a column becomes in a new table, and whether it fits a table that exists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import polars as pl
from polars.datatypes import DataTypeClass
from pyiceberg import types as iceberg
from pyiceberg.schema import Schema

from icefield_crds.wire.outcome import FailureKind

from .errors import WorkloadError

_SMALL_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16)
_INTEGERS = (*_SMALL_INTEGERS, pl.Int64, pl.UInt32, pl.UInt64, pl.Int128, pl.UInt128)
_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_PLAIN: tuple[tuple[tuple[DataTypeClass, ...], type[iceberg.PrimitiveType]], ...] = (
    ((pl.Boolean,), iceberg.BooleanType),
    (_SMALL_INTEGERS, iceberg.IntegerType),
    ((pl.Int64, pl.UInt32, pl.UInt64), iceberg.LongType),
    ((pl.Float32,), iceberg.FloatType),
    ((pl.Float64,), iceberg.DoubleType),
    (_TEXTS, iceberg.StringType),
    ((pl.Binary,), iceberg.BinaryType),
    ((pl.Date,), iceberg.DateType),
    ((pl.Time,), iceberg.TimeType),
)
_BACK: dict[type[iceberg.IcebergType], pl.DataType] = {
    iceberg.BooleanType: pl.Boolean(),
    iceberg.IntegerType: pl.Int32(),
    iceberg.LongType: pl.Int64(),
    iceberg.FloatType: pl.Float32(),
    iceberg.DoubleType: pl.Float64(),
    iceberg.StringType: pl.String(),
    iceberg.BinaryType: pl.Binary(),
    iceberg.DateType: pl.Date(),
    iceberg.TimeType: pl.Time(),
    iceberg.TimestampType: pl.Datetime("us"),
    iceberg.TimestamptzType: pl.Datetime("us", "UTC"),
}
_HINTS = (
    (pl.Duration, "cast it to a number, with .dt.total_microseconds() for one"),
    (pl.Null, "it holds nothing but nulls: cast it to the type that it should have"),
    (pl.Int128, "cast it to Int64, or to Decimal(38, 0)"),
    (pl.UInt128, "cast it to Int64, or to Decimal(38, 0)"),
    (pl.Object, "it holds Python objects: make values of a Polars type of them"),
)


def schema_of(frame: pl.Schema, first_id: int = 1) -> Schema:
    """Return the schema of a table that is made for a frame; every column may be null.

    Args:
        frame: names and types.
        first_id: the first field id that is free.

    Raises:
        WorkloadError: WRITE; Iceberg has no type for a column.
    """
    ids = count(first_id)
    return Schema(*[_field(name, dtype, name, ids) for name, dtype in frame.items()])


def dtype_of(field: iceberg.IcebergType) -> pl.DataType | None:
    """Return the Polars type in which values of an Iceberg type are written; None for those that cannot be."""
    if isinstance(field, iceberg.DecimalType):
        return pl.Decimal(field.precision, field.scale)
    if isinstance(field, iceberg.ListType):
        inner = dtype_of(field.element_type)
        return pl.List(inner) if inner is not None else None
    if isinstance(field, iceberg.StructType):
        members = {member.name: dtype_of(member.field_type) for member in field.fields}
        known = {name: dtype for name, dtype in members.items() if dtype is not None}
        return pl.Struct(known) if len(known) == len(members) else None
    return _BACK.get(type(field))


def misfits(frame: pl.Schema, table: Schema) -> Iterator[str]:
    """Yield each mismatch between a frame and a table, as a short clause."""
    fields = {field.name: field for field in table.fields}
    if missing := [f"'{name}'" for name in fields if name not in frame]:
        yield f"the result has no column {', '.join(missing)}"
    if unknown := [f"'{name}'" for name in frame if name not in fields]:
        yield f"the table has no column {', '.join(unknown)}"
    for name, dtype in frame.items():
        if name in fields and not _fits(dtype, fields[name].field_type):
            yield f"column '{name}' is {dtype} in the result and {fields[name].field_type} in the table"


def same(schema: Schema, other: Schema) -> bool:
    """Return whether two schemas have the same columns in the same order, whatever their ids."""
    return _bare(schema.as_struct()) == _bare(other.as_struct())


def _field(name: str, dtype: pl.DataType, path: str, ids: Iterator[int]) -> iceberg.NestedField:
    number = next(ids)
    return iceberg.NestedField(number, name, _type(dtype, path, ids), required=False)


def _type(dtype: pl.DataType, path: str, ids: Iterator[int]) -> iceberg.IcebergType:
    for ours, theirs in _PLAIN:
        if dtype in ours:
            return theirs()
    if dtype == pl.Float16:
        return iceberg.FloatType()
    if isinstance(dtype, pl.Decimal):
        return iceberg.DecimalType(dtype.precision or 38, dtype.scale)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":
        return iceberg.TimestampType() if dtype.time_zone is None else iceberg.TimestamptzType()
    if isinstance(dtype, (pl.List, pl.Array)):
        number = next(ids)
        inner = _type(_instance(dtype.inner), f"{path}[]", ids)
        return iceberg.ListType(number, inner, element_required=False)
    if isinstance(dtype, pl.Struct) and dtype.fields:
        members = [
            _field(member.name, _instance(member.dtype), f"{path}.{member.name}", ids) for member in dtype.fields
        ]
        return iceberg.StructType(*members)
    raise WorkloadError(
        FailureKind.WRITE, f"column '{path}' has the type {_short(dtype)}, which a table cannot hold{_hint(dtype)}"
    )


def _fits(dtype: pl.DataType, field: iceberg.IcebergType) -> bool:
    if dtype == pl.Null:
        return dtype_of(field) is not None
    if isinstance(field, (iceberg.IntegerType, iceberg.LongType)):
        return dtype in _INTEGERS  # values too large for the column fail in the cast
    if isinstance(field, iceberg.DoubleType):
        return dtype in (*_SMALL_INTEGERS, pl.UInt32, pl.Float16, pl.Float32, pl.Float64)
    if isinstance(field, iceberg.FloatType):
        return dtype in (pl.Float16, pl.Float32)
    if isinstance(field, iceberg.DecimalType):
        return isinstance(dtype, pl.Decimal) and dtype.scale == field.scale
    if isinstance(field, (iceberg.TimestampType, iceberg.TimestamptzType)):
        has_zone = isinstance(field, iceberg.TimestamptzType)
        return isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns" and (dtype.time_zone is not None) == has_zone
    if isinstance(field, iceberg.ListType):
        return isinstance(dtype, (pl.List, pl.Array)) and _fits(_instance(dtype.inner), field.element_type)
    if isinstance(field, iceberg.StructType):
        if not isinstance(dtype, pl.Struct):
            return False
        members = {member.name: _instance(member.dtype) for member in dtype.fields}
        return members.keys() == {member.name for member in field.fields} and all(
            _fits(members[member.name], member.field_type) for member in field.fields
        )
    return any(dtype in ours and isinstance(field, theirs) for ours, theirs in _PLAIN)


def _bare(field: iceberg.IcebergType) -> object:
    if isinstance(field, iceberg.StructType):
        return [(member.name, member.required, _bare(member.field_type)) for member in field.fields]
    if isinstance(field, iceberg.ListType):
        return "list", field.element_required, _bare(field.element_type)
    return str(field)


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def _short(dtype: pl.DataType) -> str:
    return str(dtype)[:200]


def _hint(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Datetime):
        return "; cast it to Datetime('us')"
    return next((f"; {hint}" for known, hint in _HINTS if dtype == known), "")

"""The Arrow types of results, the same from both engines, and their names in Spark SQL.

Types are "plain": signed integers, microseconds, 32-bit offsets, nothing dictionary-encoded, everything nullable but
the keys of maps, children named `element`, `key` and `value`. What Arrow or Spark SQL has no value type for (times of
day, intervals) becomes text. Names are those of Spark's SQL reference, "Data Types".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pyarrow as pa

from icefield_engines.warehouse.errors import Code, EngineError

_WIDENED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
}
_NAMES = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.binary(): "binary",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp_ntz",
    pa.timestamp("us", "UTC"): "timestamp",
    pa.null(): "void",
}
_MICROS = 1_000_000
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def spark_name(kind: pa.DataType) -> str:
    """Return the name that Spark SQL gives to a plain Arrow type, such as `array<decimal(10,2)>`.

    Raises:
        KeyError: the type is not plain.
    """
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        return f"array<{spark_name(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{spark_name(kind.key_type)},{spark_name(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{_field_name(field.name)}:{spark_name(field.type)}' for field in kind)}>"
    return _NAMES[kind]


def plain(kind: pa.DataType) -> pa.DataType:  # noqa: C901 - one line per type
    """Return the plain type of values of an Arrow type in a result.

    Raises:
        EngineError: UNSUPPORTED_TYPE; there is none.
    """
    if kind in _NAMES:
        return kind
    if kind in _WIDENED:
        return _WIDENED[kind]
    if isinstance(kind, pa.BaseExtensionType):
        return plain(kind.storage_type) if kind.extension_name in ("arrow.json", "arrow.uuid") else _unsupported(kind)
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 else _unsupported(kind)
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC") if kind.tz else pa.timestamp("us")
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_time(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return pa.string()
    if pa.types.is_map(kind):
        return map_of(plain(kind.key_type), plain(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain(field.type)) for field in kind])
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        return list_of(plain(kind.value_type))
    return _unsupported(kind)


def list_of(element: pa.DataType) -> pa.DataType:
    """Return the plain type of lists of an element."""
    return pa.list_(pa.field("element", element))


def map_of(key: pa.DataType, value: pa.DataType) -> pa.DataType:
    """Return the plain type of maps; those without a type of keys, as `map()` is in Spark, get strings."""
    if pa.types.is_null(key):  # keys are not nullable, and pyarrow has no void that is not
        key = pa.string()
    return pa.map_(pa.field("key", key, nullable=False), pa.field("value", value))


def conversion(source: pa.Schema, target: pa.Schema) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """Return the function that converts batches of one schema to another; equal types are not copied."""
    if str(source) == str(target) and source.equals(target):
        return lambda batch: batch
    return lambda batch: pa.RecordBatch.from_arrays(
        [converted(column, field.type) for column, field in zip(batch.columns, target, strict=True)], schema=target
    )


def converted(values: pa.Array, target: pa.DataType) -> pa.Array:
    """Return values in a plain type.

    Raises:
        EngineError: ARITHMETIC_OVERFLOW; one of them does not fit.
    """
    source = values.type
    # Types compare equal with other names of children: their text differs.
    if source == target and (not pa.types.is_nested(source) or str(source) == str(target)):
        return values
    if isinstance(source, pa.BaseExtensionType):
        return converted(values.storage, target)
    if _has_text_of_time(source):
        return pa.array([_with_text(value) for value in values.to_pylist()], target)
    try:
        # Not safe for timestamps alone: nanoseconds are cut, as Spark does.
        return values.cast(target, safe=not pa.types.is_timestamp(source))
    except pa.ArrowInvalid as error:
        message = f"A value of the result does not fit {spark_name(target)}."
        raise EngineError(Code.ARITHMETIC_OVERFLOW, message) from error


def _has_text_of_time(kind: pa.DataType) -> bool:
    """Whether a type is, or contains, one that becomes text and that Arrow cannot cast to it."""
    if pa.types.is_nested(kind):
        return any(_has_text_of_time(kind.field(index).type) for index in range(kind.num_fields))
    return bool(pa.types.is_time(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind))


def _with_text(value: Any) -> Any:
    """Return a value as Python has it, with times of day and intervals in it as text."""
    if isinstance(value, dict):
        return {name: _with_text(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_text(part) for part in value]
    if isinstance(value, tuple) and not isinstance(value, pa.MonthDayNano):  # the entry of a map
        return tuple(_with_text(part) for part in value)
    if isinstance(value, time):
        return f"{value:%H:%M:%S}" + _fraction(value.microsecond)
    if isinstance(value, timedelta):
        whole = abs(value)  # its own days are negative where its seconds are not
        sign = -1 if value < timedelta(0) else 1
        return _interval(0, sign * whole.days, sign * (whole.seconds * _MICROS + whole.microseconds))
    if isinstance(value, pa.MonthDayNano):
        return _interval(value.months, value.days, value.nanoseconds // 1000)
    return value


def _interval(months: int, days: int, micros: int) -> str:
    """Return an interval as PostgreSQL writes it, such as `1 year 2 days 03:04:05.5`."""
    years, months = int(months / 12), months - 12 * int(months / 12)
    parts = [_counted(years, "year"), _counted(months, "month"), _counted(days, "day")]
    if micros or not any(parts):
        seconds, rest = divmod(abs(micros), _MICROS)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_fraction(rest)}"
        parts.append(f"-{clock}" if micros < 0 else clock)
    return " ".join(part for part in parts if part)


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}" if number else ""


def _fraction(micros: int) -> str:
    return f".{micros:06}".rstrip("0") if micros else ""


def _field_name(name: str) -> str:
    """Return the name of a struct's field, quoted where Spark would not read it bare."""
    return name if _BARE_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def _unsupported(kind: Any) -> pa.DataType:
    raise EngineError(Code.UNSUPPORTED_TYPE, f"A column of the result has the type {kind}; cast it to a string.")

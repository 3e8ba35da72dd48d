"""Arrow columns as JSON values, the same for every engine. Pure.

    boolean, integers    as they are, also beyond 2^53
    float, double        numbers; "NaN", "Infinity" and "-Infinity", which JSON lacks, as strings
    decimal              numbers of the column's scale (1.10) up to 15 digits of precision, which every reader of JSON
                         keeps; strings where the column's type is wider
    string               as it is
    binary               base64
    date                 "2026-11-22"
    timestamp            "2026-11-22T12:00:00Z", with microseconds where there are any
    timestamp_ntz        as timestamp, without a zone
    time                 "12:00:00", with a fraction where there is any
    duration             "1 day, 2:03:04.000005"
    array                lists
    struct               objects; of fields with the same name the last one
    map                  lists of pairs, because a key may be anything

Most of it is done by Arrow's own kernels on whole columns; Python touches single values of nested and binary columns.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

Cells = list[Any]


def rows_of(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    """Return the rows of a batch as values that orjson can serialize; a batch without columns has empty rows."""
    if not batch.num_columns:
        return [()] * batch.num_rows
    return list(zip(*(cells(column) for column in batch.columns), strict=True))


def json_of(rows: Iterable[Any]) -> bytes:
    """Return rows as JSON without the brackets of the list, so that batches can be concatenated."""
    return orjson.dumps(list(rows))[1:-1]


def cells(array: pa.Array) -> Cells:
    """Return a column's values as JSON values; NULL is None."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return cells(array.storage)
    if convert := next((convert for is_kind, convert in _CONVERSIONS if is_kind(kind)), None):
        return convert(array)
    whole: Cells = array.to_pylist()
    return whole


def _floats(array: pa.Array) -> Cells:
    values: Cells = array.to_pylist()
    if pc.all(pc.is_finite(array), min_count=0).as_py():  # NULLs are skipped
        return values
    return [value if value is None or _is_finite(value) else _NAMES.get(value, "NaN") for value in values]


_NAMES = {float("inf"): "Infinity", float("-inf"): "-Infinity"}


def _is_finite(value: float) -> bool:
    return value - value == 0.0


EXACT_DIGITS = 15
"""Decimal digits that a double keeps (DBL_DIG), and with it what most readers make of JSON's numbers."""


def _decimals(array: pa.Array) -> Cells:
    texts: Cells = pc.cast(array, pa.string()).to_pylist()
    # Arrow writes very small numbers as 1E-10.
    plain = [f"{Decimal(text):f}" if text is not None and "E" in text else text for text in texts]
    if array.type.precision > EXACT_DIGITS:
        return plain
    return [None if text is None else orjson.Fragment(text) for text in plain]


def _timestamps(array: pa.Array) -> Cells:
    zoned = array.type.tz is not None
    plain = array.cast(pa.timestamp(array.type.unit))
    texts = pc.replace_substring(pc.cast(plain, pa.string()), " ", "T", max_replacements=1)
    texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    values: Cells = (pc.binary_join_element_wise(texts, "Z", "") if zoned else texts).to_pylist()
    return values


def _times(array: pa.Array) -> Cells:
    texts = pc.replace_substring_regex(pc.cast(array, pa.string()), r"\.0+$", "")
    values: Cells = pc.replace_substring_regex(texts, r"(\.\d{6})000$", r"\1").to_pylist()
    return values


def _texts(array: pa.Array) -> Cells:
    return [None if value is None else str(value) for value in array.to_pylist()]


def _lists(array: pa.Array) -> Cells:
    if types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    if not len(array):
        return []  # it may have no offsets (Arrow columnar format, "Variable-size List Layout")
    offsets, valid = array.offsets.to_pylist(), _validity(array)
    first = offsets[0]
    inner = cells(array.values.slice(first, offsets[-1] - first))
    return [
        inner[start - first : end - first] if is_valid else None
        for start, end, is_valid in zip(offsets, offsets[1:], valid, strict=False)
    ]


def _maps(array: pa.Array) -> Cells:
    if not len(array):
        return []
    offsets, valid = array.offsets.to_pylist(), _validity(array)
    first, length = offsets[0], offsets[-1] - offsets[0]
    keys, items = cells(array.keys.slice(first, length)), cells(array.items.slice(first, length))
    pairs = [list(pair) for pair in zip(keys, items, strict=True)]
    return [
        pairs[start - first : end - first] if is_valid else None
        for start, end, is_valid in zip(offsets, offsets[1:], valid, strict=False)
    ]


def _structs(array: pa.Array) -> Cells:
    names = [field.name for field in array.type]
    if not names:
        return [{} if is_valid else None for is_valid in _validity(array)]
    columns = [cells(array.field(index)) for index in range(len(names))]
    rows = zip(_validity(array), *columns, strict=True)
    return [dict(zip(names, values, strict=True)) if is_valid else None for is_valid, *values in rows]


def _validity(array: pa.Array) -> list[bool]:
    valid: list[bool] = array.is_valid().to_pylist()
    return valid


def _dates(array: pa.Array) -> Cells:
    values: Cells = pc.cast(array, pa.string()).to_pylist()
    return values


def _binary(array: pa.Array) -> Cells:
    return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]


def _durations(array: pa.Array) -> Cells:
    return _texts(pc.cast(array, pa.duration("us"), safe=False))  # Python has no nanoseconds


def _decoded(array: pa.Array) -> Cells:
    return cells(array.dictionary_decode())


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Cells]], ...] = (
    (types.is_floating, _floats),
    (types.is_decimal, _decimals),
    (types.is_timestamp, _timestamps),
    (types.is_date, _dates),
    (types.is_time, _times),
    (types.is_duration, _durations),
    (types.is_interval, _texts),
    (types.is_binary, _binary),
    (types.is_large_binary, _binary),
    (types.is_fixed_size_binary, _binary),
    (types.is_map, _maps),
    (types.is_list, _lists),
    (types.is_large_list, _lists),
    (types.is_fixed_size_list, _lists),
    (types.is_struct, _structs),
    (types.is_dictionary, _decoded),
)
"""The first match applies; values of other types are the same in Python and in JSON."""

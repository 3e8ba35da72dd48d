"""Every type as JSON has it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest

from icefield_apiserver.core.arrow.cells import cells, json_of, rows_of

WHOLE = dt.datetime(2026, 11, 22, 10, 0)  # noqa: DTZ001 - Arrow takes it for UTC, or for no zone at all
PART = dt.datetime(2026, 11, 22, 10, 0, 0, 400)  # noqa: DTZ001

CASES: list[tuple[pa.DataType, list[Any], list[Any]]] = [
    (pa.bool_(), [True, None], [True, None]),
    (pa.int8(), [-128, None], [-128, None]),
    (pa.int64(), [2**53 + 1, -(2**63), None], [2**53 + 1, -(2**63), None]),
    (pa.float64(), [1.5, -0.0, None], [1.5, -0.0, None]),
    (
        pa.float64(),
        [1.5, float("nan"), float("inf"), float("-inf"), None],
        [1.5, "NaN", "Infinity", "-Infinity", None],
    ),
    (pa.float32(), [0.5, None], [0.5, None]),
    (
        pa.decimal128(38, 10),
        [Decimal("1.1"), Decimal("1E-10"), Decimal(0), None],
        ["1.1000000000", "0.0000000001", "0.0000000000", None],
    ),
    (pa.decimal128(16, 2), [Decimal("1.10"), None], ["1.10", None]),
    (pa.string(), ["ü\n", "", None], ["ü\n", "", None]),
    (pa.binary(), [b"\x00\xff", b"", None], ["AP8=", "", None]),
    (pa.date32(), [dt.date(2026, 11, 22), dt.date(1, 1, 1), None], ["2026-11-22", "0001-01-01", None]),
    (pa.timestamp("us"), [WHOLE, PART, None], ["2026-11-22T10:00:00", "2026-11-22T10:00:00.000400", None]),
    (pa.timestamp("us", "UTC"), [WHOLE, PART, None], ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000400Z", None]),
    (pa.timestamp("us", "Europe/Berlin"), [WHOLE], ["2026-11-22T10:00:00Z"]),
    (pa.null(), [None, None], [None, None]),
    (pa.list_(pa.float64()), [[1.0, None, float("nan")], [], None], [[1.0, None, "NaN"], [], None]),
    (
        pa.struct([("k", pa.int64()), ("v", pa.binary())]),
        [{"k": 1, "v": b"a"}, None, {"k": None, "v": None}],
        [{"k": 1, "v": "YQ=="}, None, {"k": None, "v": None}],
    ),
    (
        pa.map_(pa.int64(), pa.decimal128(20, 1)),
        [[(1, Decimal("1.5")), (2, None)], [], None],
        [[[1, "1.5"], [2, None]], [], None],
    ),
    (
        pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.list_(pa.date32())))])),
        [[{"m": [("a", [dt.date(2026, 1, 1)])]}, None], None],
        [[{"m": [["a", ["2026-01-01"]]]}, None], None],
    ),
]


@pytest.mark.parametrize(("kind", "values", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_type(kind: pa.DataType, values: list[Any], expected: list[Any]) -> None:
    array = pa.array(values, kind)
    assert cells(array) == expected
    assert orjson.loads(orjson.dumps(cells(array))) == expected
    for start in range(len(values)):
        assert cells(array.slice(start)) == expected[start:]
        assert cells(array.slice(start, 1)) == expected[start : start + 1]
    assert cells(array.slice(0, 0)) == []


DECIMALS: list[tuple[pa.DataType, Any, bytes]] = [
    (pa.decimal128(10, 2), Decimal("1.10"), b"1.10"),
    (pa.decimal128(10, 2), Decimal("-0.05"), b"-0.05"),
    (pa.decimal128(5, 0), Decimal(-7), b"-7"),
    (pa.decimal128(15, 15), Decimal("1E-15"), b"0.000000000000001"),
    (pa.decimal128(15, 0), Decimal(999_999_999_999_999), b"999999999999999"),
    (pa.decimal128(16, 0), Decimal(1), b'"1"'),
    (pa.decimal32(9, 4), Decimal("1.5"), b"1.5000"),
    (pa.decimal64(18, 4), Decimal("1.5"), b'"1.5000"'),
    (pa.decimal256(76, 1), Decimal("1.5"), b'"1.5"'),
    (pa.list_(pa.decimal128(3, 1)), [Decimal("1.5"), None], b"[1.5,null]"),
    (pa.struct([("p", pa.decimal128(3, 1))]), {"p": Decimal("1.5")}, b'{"p":1.5}'),
    (pa.map_(pa.decimal128(3, 1), pa.decimal128(38, 1)), [(Decimal("0.5"), Decimal(2))], b'[[0.5,"2.0"]]'),
    (pa.dictionary(pa.int8(), pa.decimal128(3, 1)), Decimal("1.5"), b"1.5"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), DECIMALS, ids=[str(case[0]) for case in DECIMALS])
def test_decimals_of_fifteen_digits_are_numbers_and_wider_ones_strings(
    kind: pa.DataType, value: Any, expected: bytes
) -> None:
    array = pa.array([value, None], kind.value_type if pa.types.is_dictionary(kind) else kind)
    array = array.dictionary_encode() if pa.types.is_dictionary(kind) else array
    assert json_of(rows_of(pa.record_batch({"x": array}))) == b"[" + expected + b"],[null]"


def test_rows_are_joined_without_their_brackets() -> None:
    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    assert json_of(rows_of(batch)) == b'[1,"x"],[2,null]'
    assert json_of(rows_of(batch.slice(0, 0))) == b""


def test_rows_without_columns_are_still_rows() -> None:
    batch = pa.record_batch({"a": [1, 2]}).select([])
    assert rows_of(batch) == [()] * batch.num_rows


def test_columns_of_one_name_stay_apart() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert rows_of(batch) == [(1, 2)]


@pytest.mark.parametrize("inner", [pa.list_(pa.int32()), pa.map_(pa.string(), pa.int32())])
@pytest.mark.parametrize(("validity", "expected"), [(None, [[]]), (pa.py_buffer(b"\0"), [None])])
def test_lists_inside_of_empty_lists_may_have_no_offsets(
    inner: pa.DataType, validity: pa.Buffer | None, expected: list[object]
) -> None:
    """As Spark writes them: the child of a list without elements has length 0, and no buffers."""
    pairs = pa.struct([("key", pa.string()), ("value", pa.int32())])
    leaf = pa.array([], pairs if pa.types.is_map(inner) else inner.value_type)
    child = pa.Array.from_buffers(inner, 0, [None, None], children=[leaf])
    offsets = pa.py_buffer((0).to_bytes(8, "little"))
    outer = pa.Array.from_buffers(pa.list_(inner), 1, [validity, offsets], children=[child])
    assert cells(outer) == expected

"""Arrow types of results: plain ones, their names, and conversion of values to them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from icefield_engines.warehouse.duck.types import target_of
from icefield_engines.warehouse.errors import EngineError
from icefield_engines.warehouse.results.types import conversion, converted, list_of, map_of, plain, spark_name

CASES = [
    (pa.bool_(), "boolean"),
    (pa.int8(), "tinyint"),
    (pa.uint8(), "smallint"),
    (pa.uint16(), "int"),
    (pa.uint32(), "bigint"),
    (pa.uint64(), "decimal(20,0)"),
    (pa.int64(), "bigint"),
    (pa.float16(), "float"),
    (pa.float64(), "double"),
    (pa.decimal128(10, 2), "decimal(10,2)"),
    (pa.decimal256(38, 4), "decimal(38,4)"),
    (pa.large_string(), "string"),
    (pa.string_view(), "string"),
    (pa.dictionary(pa.int8(), pa.string()), "string"),
    (pa.binary(16), "binary"),
    (pa.date64(), "date"),
    (pa.timestamp("ns"), "timestamp_ntz"),
    (pa.timestamp("s", "Europe/Madrid"), "timestamp"),
    (pa.time64("us"), "string"),
    (pa.month_day_nano_interval(), "string"),
    (pa.duration("us"), "string"),
    (pa.null(), "void"),
    (pa.list_(pa.list_(pa.null())), "array<array<void>>"),
    (pa.list_(pa.uint8(), 2), "array<smallint>"),
    (pa.large_list(pa.field("item", pa.string(), nullable=False)), "array<string>"),
    (pa.map_(pa.string(), pa.list_(pa.int32())), "map<string,array<int>>"),
    (pa.struct([("a", pa.int32()), ("b c", pa.struct([("d", pa.date32())]))]), "struct<a:int,`b c`:struct<d:date>>"),
]


@pytest.mark.parametrize(("arrow", "name"), CASES, ids=[name for _, name in CASES])
def test_every_type_has_a_plain_one_with_a_name(arrow: pa.DataType, name: str) -> None:
    assert spark_name(plain(arrow)) == name


def test_plain_types_stay_as_they_are() -> None:
    for arrow, _ in CASES:
        assert str(plain(plain(arrow))) == str(plain(arrow))


def test_what_cannot_be_shown_is_said_so() -> None:
    for arrow in (pa.decimal256(40, 2), pa.sparse_union([pa.field("a", pa.int32())])):
        with pytest.raises(EngineError, match="cast it to a string"):
            plain(arrow)


def test_maps_without_a_type_of_keys_get_strings() -> None:
    assert spark_name(map_of(pa.null(), pa.null())) == "map<string,void>"


VALUES: list[tuple[pa.Array, list[Any]]] = [
    (pa.array([time(12, 0, 1, 500_000), time(0, 0), None]), ["12:00:01.5", "00:00:00", None]),
    (pa.array([pa.MonthDayNano([14, -2, 3_000_000_000])]), ["1 year 2 months -2 days 00:00:03"]),
    (pa.array([timedelta(days=1, hours=2), timedelta(0)]), ["1 day 02:00:00", "00:00:00"]),
    (pa.array([timedelta(seconds=-1), -timedelta(days=1, hours=1)]), ["-00:00:01", "-1 days -01:00:00"]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array([2**64 - 1], pa.uint64()), [Decimal(2**64 - 1)]),
    (pa.array([1], pa.timestamp("s")), [datetime(1970, 1, 1, 0, 0, 1)]),  # noqa: DTZ001 - it has none
    (pa.array([1_999], pa.timestamp("ns")), [datetime(1970, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001
    (pa.array([86_400_000], pa.date64()), [date(1970, 1, 2)]),
    (pa.array([[1, 2], None], pa.list_(pa.int32(), 2)), [[1, 2], None]),
    (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.uint8())), [[("k", 1)], None]),
    (pa.array([{"t": [time(1, 2)]}, None]), [{"t": ["01:02:00"]}, None]),
]


@pytest.mark.parametrize(("values", "expected"), VALUES)
def test_values_keep_their_meaning(values: pa.Array, expected: list[Any]) -> None:
    target = plain(values.type)
    for piece, part in ((values, expected), (values.slice(1), expected[1:])):
        result = converted(piece, target)
        result.validate(full=True)
        assert result.type == target
        assert result.to_pylist() == part


def test_what_does_not_fit_is_an_overflow() -> None:
    with pytest.raises(EngineError) as caught:
        converted(pa.array([Decimal(2**63)], pa.decimal128(38, 0)), pa.int64())
    assert caught.value.code == "ARITHMETIC_OVERFLOW"


def test_batches_that_are_plain_are_not_copied() -> None:
    batch = pa.record_batch({"a": [1], "b": ["x"]})
    assert conversion(batch.schema, batch.schema)(batch) is batch


def test_duckdb_types_that_arrow_does_not_tell_apart() -> None:
    rows = duckdb.connect().execute(
        "SELECT 1::HUGEINT h, [1::HUGEINT] l, {'a': [1::HUGEINT]} s, MAP {1::HUGEINT: 'x'} m, 1::DECIMAL(38,0) d"
    )
    kinds = [column[1] for column in rows.description or []]
    targets = [target_of(field.type, kind) for field, kind in zip(rows.to_arrow_reader().schema, kinds, strict=True)]
    assert targets == [
        pa.int64(),
        list_of(pa.int64()),
        pa.struct([("a", list_of(pa.int64()))]),
        map_of(pa.int64(), pa.string()),
        pa.decimal128(38, 0),
    ]


@pytest.mark.parametrize("sql", ["'101'::BIT", "123::BIGNUM", "TIMETZ '12:00:00+02'", "union_value(a := 1)"])
def test_duckdb_types_that_lose_something_on_the_way(sql: str) -> None:
    rows = duckdb.connect().execute(f"SELECT {sql} AS x")
    kind = (rows.description or [])[0][1]
    with pytest.raises(EngineError) as caught:
        target_of(rows.to_arrow_reader().schema[0].type, kind)
    assert caught.value.code == "UNSUPPORTED_TYPE"

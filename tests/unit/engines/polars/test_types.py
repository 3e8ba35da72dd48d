"""Polars' types beside Iceberg's and Arrow's."""

from __future__ import annotations

import polars as pl
import pytest
from pyiceberg import types as iceberg
from pyiceberg.schema import Schema

from icefield_engines.polars.errors import WorkloadError
from icefield_engines.polars.results import stored_schema
from icefield_engines.polars.types import dtype_of, misfits, same, schema_of

TABLE = Schema(
    iceberg.NestedField(1, "n", iceberg.IntegerType()),
    iceberg.NestedField(2, "x", iceberg.DoubleType()),
    iceberg.NestedField(3, "at", iceberg.TimestamptzType()),
    iceberg.NestedField(4, "d", iceberg.DecimalType(10, 2)),
    iceberg.NestedField(5, "l", iceberg.ListType(6, iceberg.StringType())),
    iceberg.NestedField(7, "s", iceberg.StructType(iceberg.NestedField(8, "a", iceberg.LongType()))),
    iceberg.NestedField(9, "m", iceberg.MapType(10, iceberg.StringType(), 11, iceberg.StringType())),
)
FITTING = {
    "n": pl.Int64(),
    "x": pl.Float32(),
    "at": pl.Datetime("ms", "Europe/Berlin"),
    "d": pl.Decimal(5, 2),
    "l": pl.Array(pl.Categorical(), 2),
    "s": pl.Struct({"a": pl.UInt8()}),
}


def test_a_schema_for_a_frame_has_ids_of_its_own() -> None:
    frame = pl.Schema({"a": pl.UInt32(), "l": pl.List(pl.Struct({"b": pl.Enum(["x"])})), "z": pl.Date()})
    schema = schema_of(frame, first_id=5)
    assert [str(field) for field in schema.fields] == [
        "5: a: optional long",
        "6: l: optional list<struct<8: b: optional string>>",
        "9: z: optional date",
    ]
    assert schema.highest_field_id == 9


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (pl.Duration("us"), "column 'a' has the type Duration(time_unit='us'), which a table cannot hold; cast it to"),
        (pl.Datetime("ns"), "; cast it to Datetime('us')"),
        (pl.Null(), "; it holds nothing but nulls"),
        (pl.Int128(), "Decimal(38, 0)"),
        (pl.List(pl.Struct({"b": pl.Time(), "c": pl.Object()})), "column 'a[].c' has the type Object"),
        (pl.Struct({}), "which a table cannot hold"),
    ],
)
def test_what_a_table_cannot_hold(dtype: pl.DataType, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        schema_of(pl.Schema({"a": dtype}))
    assert message in caught.value.sentence


def test_what_fits() -> None:
    without_map = Schema(*TABLE.fields[:-1])
    assert list(misfits(pl.Schema(FITTING), without_map)) == []
    assert list(misfits(pl.Schema(dict.fromkeys(FITTING, pl.Null())), without_map)) == []
    for field in without_map.fields:
        assert dtype_of(field.field_type) is not None


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("n", pl.Float64()),
        ("n", pl.String()),
        ("x", pl.Int64()),
        ("at", pl.Datetime("us")),
        ("at", pl.Datetime("ns", "UTC")),
        ("d", pl.Decimal(10, 3)),
        ("d", pl.Float64()),
        ("l", pl.List(pl.Int8())),
        ("s", pl.Struct({"a": pl.Int8(), "b": pl.Int8()})),
        ("s", pl.Struct({"b": pl.Int8()})),
        ("m", pl.List(pl.Struct({"key": pl.String(), "value": pl.String()}))),
    ],
)
def test_what_does_not_fit(column: str, dtype: pl.DataType) -> None:
    table = Schema(TABLE.find_field(column))
    (problem,) = misfits(pl.Schema({column: dtype}), table)
    assert problem.startswith(f"column '{column}' is {dtype} in the result and ")


def test_columns_that_only_one_side_has() -> None:
    table = Schema(*TABLE.fields[:2])
    frame = pl.Schema({"n": pl.Int8(), "y": pl.Int8(), "z": pl.Int8()})
    assert list(misfits(frame, table)) == ["the result has no column 'x'", "the table has no column 'y', 'z'"]


def test_the_same_columns_whatever_their_ids() -> None:
    frame = pl.Schema({"a": pl.Int64(), "s": pl.Struct({"b": pl.List(pl.String())})})
    schema = schema_of(frame)
    assert same(schema, schema_of(frame, first_id=50))
    assert not same(schema, schema_of(pl.Schema({"s": frame["s"], "a": frame["a"]})))
    required = schema.fields[0].model_copy(update={"required": True})
    assert not same(schema, Schema(required, schema.fields[1]))


def test_results_are_carried_without_what_only_polars_has() -> None:
    frame = pl.Schema({"c": pl.Categorical(), "l": pl.List(pl.Int128()), "a": pl.Int64()})
    schema, casts = stored_schema(frame)
    assert casts == {"c": pl.String(), "l": pl.List(pl.String())}
    assert [str(field.type) for field in schema] == ["large_string", "large_list<item: large_string>", "int64"]
    assert [field.metadata[b"polars.dtype"] for field in schema] == [b"Categorical", b"List(Int128)", b"Int64"]

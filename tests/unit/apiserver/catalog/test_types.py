"""Iceberg types as text, both ways."""

from __future__ import annotations

import itertools

import pytest

from icefield_apiserver.core.catalog.types import MAX_DEPTH, parse_type, spark_type_name, type_name


def parsed(text: str) -> object:
    """The JSON of the type that a text names, as it is in a schema."""
    return parse_type(text, itertools.count(10).__next__).model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    ("text", "shown", "in_spark"),
    [
        ("long", "long", "bigint"),
        ("BIGINT", "long", "bigint"),
        ("int", "int", "int"),
        ("smallint", "int", "int"),
        ("varchar", "string", "string"),
        ("character varying", "string", "string"),
        ("text", "string", "string"),
        ("decimal(10, 2)", "decimal(10,2)", "decimal(10,2)"),
        ("decimal", "decimal(10,0)", "decimal(10,0)"),
        ("numeric(5)", "decimal(5,0)", "decimal(5,0)"),
        ("double precision", "double", "double"),
        ("timestamp", "timestamp", "timestamp_ntz"),
        ("timestamptz", "timestamptz", "timestamp"),
        ("timestamp with time zone", "timestamptz", "timestamp"),
        ("timestamp_ltz", "timestamptz", "timestamp"),
        ("uuid", "uuid", "string"),
        ("time", "time", "string"),
        ("fixed[16]", "fixed[16]", "binary"),
        ("fixed(16)", "fixed[16]", "binary"),
        ("blob", "binary", "binary"),
        ("array<int>", "list<int>", "array<int>"),
        ("list<list<date>>", "list<list<date>>", "array<array<date>>"),
        ("map<string, bigint>", "map<string,long>", "map<string,bigint>"),
        ("struct<a: int, b string>", "struct<a:int,b:string>", "struct<a:int,b:string>"),
        ("struct<`a b`: long>", "struct<`a b`:long>", "struct<a b:bigint>"),
        ("struct<`a``b`: long>", "struct<`a``b`:long>", "struct<a`b:bigint>"),
    ],
)
def test_types_go_both_ways(text: str, shown: str, in_spark: str) -> None:
    type_ = parsed(text)
    assert type_name(type_) == shown  # type: ignore[arg-type]
    assert spark_type_name(type_) == in_spark  # type: ignore[arg-type]
    assert parsed(shown) == type_


@pytest.mark.parametrize(
    "text",
    [
        *("", "intt", "long long", "int)", "decimal(39,1)", "decimal(2,3)", "decimal(0)", "array<int", "array<>"),
        *(
            "list",
            "map<int>",
            "map<int,>",
            "struct<>",
            "struct<int>",
            "struct<a:int,>",
            "varchar(x)",
            "varchar(20)",
            "list<char(2)>",
            "fixed",
            "é",
        ),
        *("int;drop", "x" * 20_000, "decimal(9999999999,1)"),
        "list<" * (MAX_DEPTH + 2) + "int" + ">" * (MAX_DEPTH + 2),
    ],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"type|decimal|nested|no name|has a length"):
        parsed(text)

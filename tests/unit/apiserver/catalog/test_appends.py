"""Which tables the warehouse's own writer appends to."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.catalog.appends import append_obstacle

_FIELDS = [
    {"id": 1, "name": "id", "required": True, "type": "long"},
    {"id": 2, "name": "amount", "required": False, "type": "decimal(10, 2)"},
    {"id": 3, "name": "ratio", "required": False, "type": "float"},
    {
        "id": 4,
        "name": "tags",
        "required": False,
        "type": {"type": "list", "element-id": 5, "element-required": False, "element": "string"},
    },
]


def _metadata(**other: Any) -> dict[str, Any]:
    return {
        "format-version": 2,
        "default-sort-order-id": 0,
        "current-schema-id": 1,
        "schemas": [{"schema-id": 1, "fields": _FIELDS}],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "properties": {},
        **other,
    }


def _column(kind: Any) -> dict[str, Any]:
    field = {"id": 6, "name": "odd", "required": False, "type": kind}
    return _metadata(schemas=[{"schema-id": 1, "fields": [*_FIELDS, field]}])


def _partition(source: int, transform: str) -> dict[str, Any]:
    field = {"source-id": source, "field-id": 1000, "name": "p", "transform": transform}
    return _metadata(**{"default-spec-id": 1, "partition-specs": [{"spec-id": 1, "fields": [field]}]})


@pytest.mark.parametrize(
    "metadata",
    [
        _metadata(),
        _metadata(properties={"write.parquet.compression-codec": "ZSTD", "write.target-file-size-bytes": "1000"}),
        _column("timestamptz"),
        *(_partition(1, transform) for transform in ("identity", "bucket[16]", "truncate[10]")),
        _partition(2, "identity"),
    ],
)
def test_tables_that_are_appended_to(metadata: dict[str, Any]) -> None:
    assert append_obstacle(metadata) is None


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (_metadata(**{"format-version": 3}), "the table has format version 3."),
        (_metadata(**{"format-version": 1}), "the table has format version 1."),
        (_metadata(**{"default-sort-order-id": 1}), "the table has a sort order."),
        *(
            (_column(kind), f"the column odd has the type {kind}.")
            for kind in ("uuid", "time", "fixed[4]", "timestamp_ns")
        ),
        (
            _column({"type": "list", "element-id": 7, "element-required": True, "element": "int"}),
            "the column odd has a NOT NULL inside.",
        ),
        (
            _column({"type": "struct", "fields": [{"id": 7, "name": "a", "required": True, "type": "int"}]}),
            "the column odd has a NOT NULL inside.",
        ),
        (
            _column(
                {"type": "map", "key-id": 7, "key": "uuid", "value-id": 8, "value": "int", "value-required": False}
            ),
            "the column odd has the type uuid.",
        ),
        (_partition(3, "identity"), "a partition is identity of ratio."),
        (_partition(1, "void"), "a partition is void of id."),
        (_partition(5, "identity"), "a partition is made of a part of a column."),
        (_metadata(properties={"write.format.default": "orc"}), "the table's files are orc."),
        (_metadata(properties={"write.parquet.compression-codec": "lz4"}), "the table's files are compressed by lz4."),
        (
            _metadata(properties={"write.object-storage.enabled": "true"}),
            "the table spreads its files (write.object-storage.enabled).",
        ),
        *(
            (_metadata(properties={name: "x"}), f"the table has the property {name}.")
            for name in ("write.data.path", "write.py-location-provider.impl", "encryption.key-id")
        ),
    ],
)
def test_tables_that_spark_appends_to(metadata: dict[str, Any], why: str) -> None:
    assert append_obstacle(metadata) == why

"""Requests to create a table, in Iceberg's words."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.catalog.metadata import ColumnInfo
from icefield_apiserver.core.catalog.table_definition import TableDefinition, create_request
from icefield_apiserver.core.errors import BadRequest

COLUMNS = [
    ColumnInfo("id", "bigint", False, "Number"),
    ColumnInfo("at", "timestamp", True, None),
    ColumnInfo("at_day", "string", True, None),
    ColumnInfo("tags", "array<struct<k: string>>", True, None),
]


def test_columns_become_a_schema_with_ids_of_its_own() -> None:
    request = create_request(
        TableDefinition("t", COLUMNS, ["days(at)", "bucket(4, id)", "at_day"], {"a": "b"}, "What for")
    )
    schema = request["schema"]
    assert [(field["id"], field["name"], field["required"]) for field in schema["fields"]] == [
        (1, "id", True),
        (2, "at", False),
        (3, "at_day", False),
        (4, "tags", False),
    ]
    nested = schema["fields"][3]["type"]
    ids = [nested["element-id"], nested["element"]["fields"][0]["id"]]
    assert len({1, 2, 3, 4, *ids}) == 6
    assert schema["fields"][0]["doc"] == "Number"
    fields = request["partition-spec"]["fields"]
    assert [(field["source-id"], field["name"], field["transform"]) for field in fields] == [
        (2, "at_day_partition", "day"),
        (1, "id_bucket", "bucket[4]"),
        (3, "at_day", "identity"),
    ]
    assert request["properties"] == {"a": "b", "comment": "What for"}


@pytest.mark.parametrize(
    "partitioning",
    [["none"], ["days(id)"], ["bucket(id)"], ["evil(id)"], ["id", "id"], ["tags"], ["truncate(0, id)"], ["days(none)"]],
)
def test_what_cannot_partition_is_refused(partitioning: list[str]) -> None:
    with pytest.raises(BadRequest):
        create_request(TableDefinition("t", COLUMNS, partitioning))


@pytest.mark.parametrize(
    "columns",
    [
        [ColumnInfo(" ", "int", True, None)],
        [ColumnInfo("a", "int", True, None), ColumnInfo("A", "int", True, None)],
        [ColumnInfo("a", "intt", True, None)],
    ],
)
def test_what_makes_no_schema_is_refused(columns: list[ColumnInfo]) -> None:
    with pytest.raises(BadRequest):
        create_request(TableDefinition("t", columns))


@pytest.mark.parametrize("key", ["write.data.path", "Write.Location-Provider.Impl", "location"])
def test_a_property_that_moves_files_or_names_a_class_is_refused(key: str) -> None:
    with pytest.raises(BadRequest, match="is not supported"):
        create_request(TableDefinition("t", COLUMNS, properties={key: "s3://other/x"}))

"""What is read out of a table's metadata."""

from __future__ import annotations

from typing import Any

from icefield_apiserver.core.catalog.metadata import snapshots_of, table_info
from icefield_apiserver.core.catalog.model import LoadedTable
from icefield_apiserver.core.catalog.reader import table_of

FIELDS = [
    {"id": 1, "name": "id", "required": True, "type": "long", "doc": "Number"},
    {"id": 2, "name": "at", "required": False, "type": "timestamptz"},
]


def table(**changes: Any) -> LoadedTable:
    """A table's metadata (format version 2), with these fields instead."""
    metadata = {
        "format-version": 2,
        "table-uuid": "u",
        "location": "s3://b/t",
        "last-updated-ms": 1_767_225_600_000,
        "schemas": [{"schema-id": 3, "type": "struct", "fields": FIELDS}],
        "current-schema-id": 3,
        "partition-specs": [
            {"spec-id": 0, "fields": []},
            {
                "spec-id": 1,
                "fields": [
                    {"source-id": 2, "field-id": 1000, "name": "at_day", "transform": "day"},
                    {"source-id": 1, "field-id": 1001, "name": "id_bucket", "transform": "bucket[16]"},
                    {"source-id": 1, "field-id": 1002, "name": "id", "transform": "identity"},
                ],
            },
        ],
        "default-spec-id": 1,
        "properties": {"comment": "Orders"},
        **changes,
    }
    return LoadedTable("s3://b/t/metadata/1.json", metadata)


def snapshot(id_: int, at: int, **summary: str) -> dict[str, Any]:
    """A snapshot's JSON."""
    return {"snapshot-id": id_, "timestamp-ms": at, "summary": {"operation": "append", **summary}}


def test_an_empty_table() -> None:
    for nothing in ({}, {"current-snapshot-id": -1}, {"current-snapshot-id": None, "snapshots": []}):
        facts = table_info(table(**nothing))
        assert facts.current is None
        assert (facts.description, facts.partitioning) == ("Orders", ("days(at)", "bucket(16,id)", "id"))
        assert [(c.name, c.type, c.nullable, c.description) for c in facts.columns] == [
            ("id", "long", False, "Number"),
            ("at", "timestamptz", True, None),
        ]


def test_rows_are_counted_as_far_as_summaries_tell() -> None:
    def rows(**summary: str) -> int | None:
        facts = table_info(table(**{"current-snapshot-id": 5, "snapshots": [snapshot(5, 1, **summary)]}))
        assert facts.current is not None
        return facts.current.row_count

    assert rows(**{"total-records": "10"}) == 10
    assert rows(**{"total-records": "10", "total-position-deletes": "3"}) == 7
    assert rows(**{"total-records": "10", "total-position-deletes": "30"}) == 0
    assert rows(**{"total-records": "10", "total-equality-deletes": "1"}) is None
    assert rows() is None
    assert rows(**{"total-records": "many"}) is None


def test_snapshots_come_newest_first() -> None:
    metadata = {"snapshots": [snapshot(1, 10), snapshot(3, 30), snapshot(2, 20)]}
    assert [each.id for each in snapshots_of(metadata)] == [3, 2, 1]
    assert snapshots_of({}) == []


def test_a_table_of_format_version_1_has_one_schema() -> None:
    metadata = {"format-version": 1, "location": "s3://b/t", "schema": {"type": "struct", "fields": FIELDS}}
    facts = table_info(LoadedTable("x", metadata))
    assert [column.name for column in facts.columns] == ["id", "at"]
    assert (facts.partitioning, facts.current, facts.updated) == ((), None, None)


def test_plans_see_sparks_types_and_the_whole_history() -> None:
    seen = table_of(
        table(
            **{
                "current-snapshot-id": 2,
                "snapshots": [snapshot(1, 10), snapshot(2, 20)],
                "snapshot-log": [{"timestamp-ms": 10, "snapshot-id": 1}, {"timestamp-ms": 20, "snapshot-id": 2}],
                "refs": {"main": {"snapshot-id": 2, "type": "branch"}, "v1": {"snapshot-id": 1, "type": "tag"}},
            }
        )
    )
    assert [(column.name, column.type) for column in seen.columns] == [("id", "bigint"), ("at", "timestamp")]
    assert (seen.snapshot_id, seen.history, seen.refs) == (2, ((10, 1), (20, 2)), {"main": 2, "v1": 1})

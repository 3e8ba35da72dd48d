"""Metadata files that are registered: what they may name, and which of them can be read."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.features.iceberg import metadata_files
from icefield_apiserver.features.iceberg.metadata_files import decompressed
from icefield_apiserver.features.iceberg.rules import check_table_metadata

MINE = "s3://lake/workspaces/acme/tables/t"
OTHERS = "s3://lake/workspaces/other/tables/t"


def check(metadata: dict[str, Any]) -> None:
    """Check the metadata of a table."""
    check_table_metadata(StoreRoot("lake", "workspaces/acme"), metadata)


def test_metadata_of_the_workspace() -> None:
    check(
        {
            "format-version": 2,
            "location": MINE,
            "properties": {"owner": "a", "write.parquet.compression-codec": "zstd"},
            "snapshots": [{"snapshot-id": 1, "manifest-list": f"{MINE}/1.avro", "summary": {"operation": "append"}}],
            "statistics": [{"snapshot-id": 1, "statistics-path": f"{MINE}/1.stats"}],
            "partition-statistics": [],
            "metadata-log": [{"timestamp-ms": 1, "metadata-file": f"{MINE}/0.metadata.json"}],
        }
    )
    check({"format-version": 4})


@pytest.mark.parametrize(
    "named",
    [
        {"location": OTHERS},
        {"location": 1},
        {"Location": OTHERS},
        {"properties": {"write.data.path": OTHERS}},
        {"properties": {"a": 1}},
        {"properties": []},
        {"snapshots": [{"manifest-list": f"{MINE}/1.avro"}, {"manifest-list": f"{OTHERS}/1.avro"}]},
        {"snapshots": [{"manifests": [f"{OTHERS}/1.avro"]}]},
        {"snapshots": {}},
        {"statistics": [{"statistics-path": OTHERS}]},
        {"partition-statistics": [{"statistics-path": OTHERS}]},
        {"metadata-log": [{"metadata-file": OTHERS}]},
    ],
)
def test_metadata_that_names_what_no_commit_may_name(named: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        check({"location": MINE, **named})


def test_compressed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(b"{}")
    assert decompressed(b"{}") == decompressed(whole) == b"{}"
    assert decompressed(b"") == b""
    # Java reads all streams of a file, others the first.
    for broken in (whole + gzip.compress(b"{}"), whole + b"x", whole[:-9], b"\x1f\x8b", b"\x1f\x8bxxxxxxxxxx"):
        with pytest.raises(BadRequest):
            decompressed(broken)
    monkeypatch.setattr(metadata_files, "MAX_METADATA_BYTES", 1000)
    assert len(decompressed(gzip.compress(b"x" * 1000))) == 1000
    with pytest.raises(BadRequest, match="longer than 1000 bytes"):
        decompressed(gzip.compress(b"x" * 1001))

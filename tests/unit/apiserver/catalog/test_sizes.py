"""What manifests say of a table's files, and what that comes to."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pytest
from pyiceberg.io import OutputFile
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, VoidTransform
from pyiceberg.typedef import Record
from pyiceberg.types import NestedField, StringType, TimestampType

from icefield_apiserver.core.catalog import manifests
from icefield_apiserver.core.catalog.manifests import FileEntry, UnreadableManifestError, entries_of, manifests_of
from icefield_apiserver.core.catalog.sizes import (
    PartitionFilter,
    Partitioning,
    Size,
    Tally,
    size_of_files,
    size_of_summary,
)

SCHEMA = Schema(NestedField(1, "at", TimestampType()), NestedField(2, "kind", StringType()), schema_id=0)
SPEC = PartitionSpec(
    PartitionField(source_id=1, field_id=1000, transform=DayTransform(), name="at_day"),
    PartitionField(source_id=2, field_id=1001, transform=VoidTransform(), name="kind"),
    spec_id=3,
)
METADATA: dict[str, Any] = {
    "schemas": [SCHEMA.model_dump(mode="json", by_alias=True)],
    "partition-specs": [{"spec-id": 0, "fields": []}, SPEC.model_dump(mode="json", by_alias=True)],
}
DAY = 20_000
"""2024-10-04, in days since the epoch."""


class Buffer(OutputFile):
    """A file in memory that PyIceberg's writers write to."""

    class _Stream(io.BytesIO):
        def close(self) -> None:
            self.content = self.getvalue()
            super().close()

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.stream = Buffer._Stream()

    @property
    def content(self) -> bytes:
        return self.stream.content

    def __len__(self) -> int:
        return len(self.content)

    def exists(self) -> bool:
        return False

    def to_input_file(self) -> Any:
        raise NotImplementedError

    def create(self, overwrite: bool = False) -> Any:
        return self.stream


def file(records: int, size: int, day: int | None = DAY) -> DataFile:
    """A file of rows of one day."""
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"s3://icefield/{records}-{size}.parquet",
        file_format=FileFormat.PARQUET,
        partition=Record(day, None),
        record_count=records,
        file_size_in_bytes=size,
    )


def manifest(*files: tuple[ManifestEntryStatus, DataFile], codec: Any = "deflate") -> tuple[bytes, Any]:
    """A manifest as PyIceberg writes it, and its row in a list."""
    buffer = Buffer("s3://icefield/manifest.avro")
    with write_manifest(2, SPEC, SCHEMA, buffer, 1, codec) as writer:
        for status, data_file in files:
            writer.add_entry(
                ManifestEntry.from_args(status=status, snapshot_id=1, sequence_number=1, data_file=data_file)
            )
    return buffer.content, writer.to_manifest_file()


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_entries_of_a_manifest(codec: str) -> None:
    added, deleted = ManifestEntryStatus.ADDED, ManifestEntryStatus.DELETED
    content, _ = manifest((added, file(5, 100)), (deleted, file(7, 100)), (added, file(1, 20, None)), codec=codec)
    assert list(entries_of(content)) == [FileEntry(0, (DAY, None), 5, 100), FileEntry(0, (None, None), 1, 20)]


def test_manifests_of_a_list() -> None:
    content, row = manifest((ManifestEntryStatus.ADDED, file(5, 100)))
    buffer = Buffer("s3://icefield/list.avro")
    with write_manifest_list(2, buffer, 1, None, 1, "deflate") as writer:
        writer.add_manifests([row])
    [found] = manifests_of(buffer.content)
    assert (found.location, found.spec_id) == ("s3://icefield/manifest.avro", 3)
    assert found.size_bytes == row.manifest_length
    assert content


def test_what_is_no_manifest_is_refused() -> None:
    content, _ = manifest((ManifestEntryStatus.ADDED, file(5, 100)))
    for broken in (b"", b"PK\x03\x04", content[:-40], content[: len(content) // 2], b"Obj\x01" + b"\xff" * 64):
        with pytest.raises(UnreadableManifestError):
            list(entries_of(broken))


def test_a_manifest_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "MAX_DECODED_BYTES", 100)
    content, _ = manifest(*[(ManifestEntryStatus.ADDED, file(5, 100))] * 50)
    with pytest.raises(UnreadableManifestError, match="exceeds 100 bytes"):
        list(entries_of(content))
    bomb = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = bomb.compress(bytes(10_000_000)) + bomb.flush()
    with pytest.raises(UnreadableManifestError, match="exceeds"):
        manifests._decompressed("deflate", block, 100)
    with pytest.raises(UnreadableManifestError, match="snappy"):
        manifests._decompressed("snappy", b"", 100)


def test_sizes_take_off_what_is_deleted_by_position() -> None:
    files = [FileEntry(0, (), 10, 1000), FileEntry(1, (), 3, 50), FileEntry(2, (), 1, 20)]
    assert size_of_files(files, None) == Size(1070, 7, 1)
    tally = Tally()
    tally.add(size_of_files(files[1:], None))
    assert tally.size.record_count == 0
    tally.add(size_of_files(files[:1], None))
    assert tally.size == Size(1070, 7, 1)


def test_partitions_are_asked_for_as_people_write_them() -> None:
    partitioning = Partitioning(METADATA)
    assert partitioning.keys == ["at_day"]
    wanted = partitioning.matching([PartitionFilter("at_day", "2024-10-04")])
    assert list(wanted) == [3]
    files = [FileEntry(0, (DAY, None), 1, 10), FileEntry(0, (DAY + 1, None), 2, 20), FileEntry(0, (None, None), 4, 40)]
    assert size_of_files(files, wanted[3]) == Size(10, 1, 1)
    nothing = partitioning.matching([PartitionFilter("at_day", "null")])
    assert size_of_files(files, nothing[3]) == Size(40, 4, 1)
    with pytest.raises(UnreadableManifestError):
        size_of_files([FileEntry(0, (), 1, 10)], wanted[3])
    for unknown in ("at", "kind", "AT_DAY"):
        with pytest.raises(KeyError, match=unknown):
            partitioning.matching([PartitionFilter(unknown, "x")])


def test_metadata_of_format_version_1() -> None:
    metadata = {
        "schema": METADATA["schemas"][0],
        "partition-spec": [{"name": "kind", "transform": "identity", "source-id": 2, "field-id": 1000}],
    }
    wanted = Partitioning(metadata).matching([PartitionFilter("kind", "a")])
    assert wanted[0].match(("a",))
    assert not wanted[0].match(("b",))


def test_a_summary_that_does_not_say_all_is_not_used() -> None:
    summary = {"total-files-size": "100", "total-records": "9", "total-data-files": "2", "total-position-deletes": "2"}
    assert size_of_summary(summary) == Size(100, 7, 2)
    for key in ("total-files-size", "total-records", "total-data-files"):
        assert size_of_summary({**summary, key: "?"}) is None
        assert size_of_summary({name: value for name, value in summary.items() if name != key}) is None

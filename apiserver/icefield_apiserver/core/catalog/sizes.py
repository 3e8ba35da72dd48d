"""Sizes of tables, snapshots and partitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform, VoidTransform
from pyiceberg.types import IcebergType

from .manifests import FileEntry, UnreadableManifestError


@dataclass(frozen=True)
class Size:
    """The size of a table, a snapshot or partitions.

    Attributes:
        size_bytes: bytes of data and delete files.
        record_count: rows, minus rows deleted by position; equality deletes cannot be counted without reading the data.
        data_file_count: number of data files.
    """

    size_bytes: int = 0
    record_count: int = 0
    data_file_count: int = 0


class Tally:
    """Sums the sizes of manifests, in any order."""

    def __init__(self) -> None:
        self._bytes = self._records = self._files = 0

    def add(self, size: Size) -> None:
        """Add the size of one manifest; the sum of records may be negative until all are added."""
        self._bytes += size.size_bytes
        self._records += size.record_count
        self._files += size.data_file_count

    @property
    def size(self) -> Size:
        """The sum."""
        return Size(self._bytes, max(0, self._records), self._files)


def size_of_files(files: Iterable[FileEntry], wanted: Partitions | None) -> Size:
    """Return the total size of a manifest's files; the record count of a delete manifest is negative.

    Args:
        files: the files.
        wanted: the partitions to count; None for all.
    """
    size_bytes = records = count = 0
    for file in files:
        if wanted is not None and not wanted.match(file.partition):
            continue
        size_bytes += file.size_bytes
        if file.is_data:
            records += file.record_count
            count += 1
        elif file.deletes_positions:
            records -= file.record_count
    return Size(size_bytes, records, count)


def size_of_summary(summary: Mapping[str, str]) -> Size | None:
    """Return the size in a snapshot's summary; None when the summary is incomplete."""
    try:
        return Size(
            size_bytes=int(summary["total-files-size"]),
            record_count=max(0, int(summary["total-records"]) - int(summary.get("total-position-deletes", "0"))),
            data_file_count=int(summary["total-data-files"]),
        )
    except (KeyError, ValueError):
        return None


class Partitions:
    """A filter on the partitions of one spec.

    Args:
        conditions: (position in the spec, field, source type, accepted values) of each filtered field.
    """

    def __init__(self, conditions: Sequence[tuple[int, PartitionField, IcebergType, frozenset[str]]]) -> None:
        self._conditions = conditions

    def match(self, partition: Sequence[Any]) -> bool:
        """Return whether a partition matches.

        Raises:
            UnreadableManifestError: its values do not have the spec's types.
        """
        try:
            return all(
                field.transform.to_human_string(source, partition[position]) in values
                for position, field, source, values in self._conditions
            )
        except Exception as error:  # a transform can raise anything on untrusted values
            raise UnreadableManifestError("it has a file that is in no partition of the table") from error


@dataclass(frozen=True)
class PartitionFilter:
    """One accepted value of a partition field, in Iceberg's human-readable form."""

    key: str
    value: str


class Partitioning:
    """The current and earlier partition specs of a table.

    Args:
        metadata: the table's metadata.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        specs = metadata.get("partition-specs") or [{"spec-id": 0, "fields": metadata.get("partition-spec") or []}]
        schemas = [Schema.model_validate(schema) for schema in metadata.get("schemas") or [metadata["schema"]]]
        self._specs = [PartitionSpec.model_validate(spec) for spec in specs]
        # Fields of earlier schemas as well: partitions by a dropped column may still exist.
        self._types = {id_: schema.find_type(id_) for schema in schemas for id_ in schema.field_ids}
        self._columns = {id_: schema.find_column_name(id_) for schema in schemas for id_ in schema.field_ids}

    @property
    def keys(self) -> list[str]:
        """Names of the partition fields that can be filtered by."""
        return sorted({field.name for spec in self._specs for field in spec.fields if _is_real(field)})

    def matching(self, filters: Sequence[PartitionFilter]) -> dict[int, Partitions]:
        """Return the filter of each partition spec, by spec id; specs without the filtered fields are left out.

        Several values of one key are alternatives.

        Raises:
            KeyError: no spec has such a partition field; its argument is the key.
        """
        values: dict[str, set[str]] = {}
        for each in filters:
            values.setdefault(each.key, set()).add(each.value)
        found: dict[int, Partitions] = {}
        known: set[str] = set()
        for spec in self._specs:
            conditions = []
            for key, wanted in values.items():
                position = next((n for n, field in enumerate(spec.fields) if self._is_called(field, key)), None)
                if position is None or spec.fields[position].source_id not in self._types:
                    continue
                field = spec.fields[position]
                known.add(key)
                conditions.append((position, field, self._types[field.source_id], frozenset(wanted)))
            if len(conditions) == len(values):
                found[spec.spec_id] = Partitions(conditions)
        if unknown := [key for key in values if key not in known]:
            raise KeyError(unknown[0])
        return found

    def _is_called(self, field: PartitionField, key: str) -> bool:
        if not _is_real(field):
            return False
        if field.name == key:
            return True
        return isinstance(field.transform, IdentityTransform) and self._columns.get(field.source_id) == key


def _is_real(field: PartitionField) -> bool:
    """Return whether a field partitions at all: format version 1 keeps dropped fields with the void transform."""
    return not isinstance(field.transform, VoidTransform)

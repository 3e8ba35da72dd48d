"""How much a table, a snapshot of it or some of its partitions hold. Pure."""

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
    """How much there is.

    Attributes:
        size_bytes: bytes of the files with rows and of those that delete rows.
        record_count: rows, less those that are deleted by position; how many equality deletes take away is not known
            without reading the rows.
        data_file_count: files with rows.
    """

    size_bytes: int = 0
    record_count: int = 0
    data_file_count: int = 0


class Tally:
    """Adds files up, the manifests in any order."""

    def __init__(self) -> None:
        self._bytes = self._records = self._files = 0

    def add(self, size: Size) -> None:
        """Count what was counted elsewhere; the sum of records may be negative until all are added."""
        self._bytes += size.size_bytes
        self._records += size.record_count
        self._files += size.data_file_count

    @property
    def size(self) -> Size:
        """What was counted."""
        return Size(self._bytes, max(0, self._records), self._files)


def size_of_files(files: Iterable[FileEntry], wanted: Partitions | None) -> Size:
    """Return what the files of a manifest come to; records that it deletes count as less than none.

    Args:
        files: the files.
        wanted: of which partitions; None for all.
    """
    size_bytes = records = count = 0
    for file in files:
        if wanted is not None and not wanted.holds(file.partition):
            continue
        size_bytes += file.size_bytes
        if file.is_data:
            records += file.record_count
            count += 1
        elif file.deletes_positions:
            records -= file.record_count
    return Size(size_bytes, records, count)


def size_of_summary(summary: Mapping[str, str]) -> Size | None:
    """Return what a snapshot's summary says; None where the writer did not say all of it."""
    try:
        return Size(
            size_bytes=int(summary["total-files-size"]),
            record_count=max(0, int(summary["total-records"]) - int(summary.get("total-position-deletes", "0"))),
            data_file_count=int(summary["total-data-files"]),
        )
    except (KeyError, ValueError):
        return None


class Partitions:
    """Which partitions of one spec are wanted.

    Args:
        conditions: for each position in the spec, the field's transform and type, and the values that will do.
    """

    def __init__(self, conditions: Sequence[tuple[int, PartitionField, IcebergType, frozenset[str]]]) -> None:
        self._conditions = conditions

    def holds(self, partition: Sequence[Any]) -> bool:
        """Say whether these values of a partition's fields are wanted ones.

        Raises:
            UnreadableManifestError: they are not of the spec's types.
        """
        try:
            return all(
                field.transform.to_human_string(source, partition[position]) in values
                for position, field, source, values in self._conditions
            )
        except Exception as error:  # whatever a transform makes of a value that somebody else wrote
            raise UnreadableManifestError("it has a file of no partition of the table") from error


@dataclass(frozen=True)
class PartitionFilter:
    """Which partitions are asked for: the value of one partition field, as Iceberg writes it for people."""

    key: str
    value: str


class Partitioning:
    """How a table is and was partitioned.

    Args:
        metadata: the table's metadata.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        specs = metadata.get("partition-specs") or [{"spec-id": 0, "fields": metadata.get("partition-spec") or []}]
        schemas = [Schema.model_validate(schema) for schema in metadata.get("schemas") or [metadata["schema"]]]
        self._specs = [PartitionSpec.model_validate(spec) for spec in specs]
        # Fields of earlier schemas, too: a column can be gone by which there still are partitions.
        self._types = {id_: schema.find_type(id_) for schema in schemas for id_ in schema.field_ids}
        self._columns = {id_: schema.find_column_name(id_) for schema in schemas for id_ in schema.field_ids}

    @property
    def keys(self) -> list[str]:
        """The names by which partitions can be asked for."""
        return sorted({field.name for spec in self._specs for field in spec.fields if _is_real(field)})

    def of(self, filters: Sequence[PartitionFilter]) -> dict[int, Partitions]:
        """Return what the filters want, by id of the partition spec; specs without such a field hold none of it.

        Several values of one key are alternatives.

        Raises:
            KeyError: there is no such partition field in any spec; its argument is the key.
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
    """Say whether a field parts anything: format version 1 keeps the dropped ones, always null."""
    return not isinstance(field.transform, VoidTransform)

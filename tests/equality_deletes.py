"""Commits an Iceberg equality delete, as Flink and other stream writers make them: none of our engines writes any.

PyIceberg writes data manifests only, so its writer is made here to name its manifest one of deletes, and to write ids
as the specification has them ("Manifests": equality_ids are ints): Iceberg's own readers insist on that.
"""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestWriter,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record, TableVersion
from pyiceberg.types import IntegerType, ListType, NestedField, StructType

_EQUALITY_IDS = 135
_DATA_FILE = 2


def _as_specified(field: NestedField) -> NestedField:
    kind = field.field_type
    if field.field_id == _DATA_FILE and isinstance(kind, StructType):
        kind = StructType(*map(_as_specified, kind.fields))
    elif field.field_id == _EQUALITY_IDS and isinstance(kind, ListType):
        kind = ListType(element_id=kind.element_id, element_type=IntegerType(), element_required=True)
    return field.model_copy(update={"field_type": kind})


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}

    def _with_partition(self, format_version: TableVersion) -> Schema:
        return Schema(*map(_as_specified, super()._with_partition(format_version).fields))


class _EqualityDelete(_FastAppendFiles):
    def new_manifest_writer(self, spec: PartitionSpec) -> ManifestWriter:
        return _DeleteManifestWriter(
            spec,
            self._transaction.table_metadata.schema(),
            self.new_manifest_output(),
            self._snapshot_id,
            self._compression,
        )


def delete_where_equal(table: Table, column: str, values: list[Any]) -> int:
    """Delete the rows whose column equals one of the values, by an equality delete; return the new snapshot's id.

    Args:
        table: an unpartitioned table of format version 2.
        column: name of a top-level column.
        values: what the rows to delete hold there.
    """
    field = table.schema().find_field(column)
    [kind] = [f.type for f in table.schema().as_arrow() if f.name == column]
    arrow_field = pa.field(column, kind, metadata={"PARQUET:field_id": str(field.field_id)})
    rows = pa.table({column: values}, schema=pa.schema([arrow_field]))
    path = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    with table.io.new_output(path).create() as stream:
        parquet.write_table(rows, stream)
    with table.transaction() as transaction:
        producer = _EqualityDelete(Operation.DELETE, transaction, table.io)
        with producer as update:
            update.append_data_file(
                DataFile.from_args(
                    content=DataFileContent.EQUALITY_DELETES,
                    file_path=path,
                    file_format=FileFormat.PARQUET,
                    partition=Record(),
                    record_count=rows.num_rows,
                    file_size_in_bytes=len(table.io.new_input(path)),
                    equality_ids=[field.field_id],
                    sort_order_id=None,
                    spec_id=table.spec().spec_id,
                )
            )
    snapshot = table.refresh().current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id

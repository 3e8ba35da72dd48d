"""Data files of a table, written while the rows come: Parquet, of one partition each, with row groups of some size."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import _get_parquet_writer_kwargs
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table, TableProperties
from pyiceberg.typedef import Record

from icefield_engines.warehouse.errors import Code, EngineError

from .partitions import Partition, split
from .pending import PendingFiles
from .schemas import arrow_schema, file_schema
from .statistics import Nans, count_nans, of_file

ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Of rows in memory that become a row group."""
PENDING_BYTES = 2 * ROW_GROUP_BYTES
"""Of rows in memory of all partitions together: then the largest is written."""
OPEN_FILES = 64
"""Of partitions whose next row group goes into the same file; each holds a part of an upload in memory."""


class DataFileWriter:
    """Writes rows into data files of a table."""

    def __init__(self, table: Table, files: PendingFiles) -> None:
        """Write for this table; nothing is written yet."""
        self._table = table
        self._files = files
        self._schema = table.schema()
        self._arrow_schema = arrow_schema(file_schema(self._schema))
        self._pending: dict[Partition, list[pa.RecordBatch]] = {}
        self._bytes: dict[Partition, int] = {}
        self._open: dict[Partition, _OpenFile] = {}
        self._target_bytes = int(
            table.properties.get(
                TableProperties.WRITE_TARGET_FILE_SIZE_BYTES, TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT
            )
        )
        self._written: list[DataFile] = []
        self.locations: list[str] = []
        """Of all files that were begun."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows, whose columns are those of the table in their order.

        Raises:
            EngineError: NOT_NULL; one has no value in a column that needs one.
        """
        if not batch.num_rows:
            return
        self._check_required(batch)
        for partition, rows in split(self._typed(batch), self._table.spec(), self._schema):
            self._pending.setdefault(partition, []).append(rows)
            self._bytes[partition] = self._bytes.get(partition, 0) + rows.nbytes
            if self._bytes[partition] >= ROW_GROUP_BYTES:
                self._write(partition)
        while sum(self._bytes.values()) >= PENDING_BYTES:
            self._write(max(self._bytes, key=self._bytes.__getitem__))

    def finish(self) -> list[DataFile]:
        """Write what is left, and return all files."""
        for partition in list(self._pending):
            self._write(partition)
            self._close(partition)
        for partition in list(self._open):
            self._close(partition)
        return self._written

    def abort(self) -> None:
        """End the writing, and delete the files as far as the store is there."""
        for file in self._open.values():
            file.abort()
        self._open.clear()
        for location in self.locations:
            with suppress(OSError):
                self._files.delete(location)

    def _check_required(self, batch: pa.RecordBatch) -> None:
        for field, column in zip(self._schema.fields, batch.columns, strict=True):
            if field.required and column.null_count:
                raise EngineError(Code.NOT_NULL, f"NULL cannot be written into the column {field.name}.")

    def _typed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            column if str(column.type) == str(field.type) else column.cast(field.type)
            for column, field in zip(batch.columns, self._arrow_schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._arrow_schema)

    def _write(self, partition: Partition) -> None:
        """Write the rows of a partition that wait, as a row group."""
        self._bytes.pop(partition)
        rows = pa.Table.from_batches(self._pending.pop(partition), self._arrow_schema)
        if partition not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._close(next(iter(self._open)))
            self._open[partition] = self._new_file(partition)
        file = self._open[partition]
        file.write(rows)
        if file.length >= self._target_bytes:
            self._close(partition)

    def _close(self, partition: Partition) -> None:
        if file := self._open.pop(partition, None):
            self._written.append(file.finish(self._files))

    def _new_file(self, partition: Partition) -> _OpenFile:
        spec, provider = self._table.spec(), self._table.location_provider()
        folder = f"{spec.partition_to_path(Record(*partition), self._schema)}/" if partition else ""
        location = provider.new_data_location(f"{folder}{uuid.uuid4()}.parquet")
        self.locations.append(location)
        return _OpenFile(self._table, self._files.open_stream(location), location, partition)


def data_file(table: Table, location: str, partition: Partition, length: int, columns: Mapping[str, Any]) -> DataFile:
    """Return what a manifest has of a file; `columns` are the fields that describe what is in it."""
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        file_size_in_bytes=length,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **columns,
    )


class _OpenFile:
    """A Parquet file that is being written."""

    def __init__(self, table: Table, stream: Any, location: str, partition: Partition) -> None:
        self._table = table
        self._schema = file_schema(table.schema())
        self._stream = stream
        self._location = location
        self._partition = partition
        self._nans: Nans = {}
        options = _get_parquet_writer_kwargs(table.properties)
        self._writer = pq.ParquetWriter(stream, arrow_schema(self._schema), store_decimal_as_integer=True, **options)

    @property
    def length(self) -> int:
        """How long it is until now, in bytes."""
        length: int = self._stream.tell()
        return length

    def write(self, rows: pa.Table) -> None:
        """Add a row group."""
        count_nans(rows, self._schema, self._nans)
        self._writer.write_table(rows)

    def finish(self, files: PendingFiles) -> DataFile:
        """End it, have it stored, and return what a manifest has of it."""
        self._writer.close()
        length = self.length
        files.store(self._stream.close)
        columns = of_file(self._writer.writer.metadata, self._schema, self._table.properties, self._nans)
        return data_file(self._table, self._location, self._partition, length, columns)

    def abort(self) -> None:
        """Close it as it is."""
        with suppress(OSError):
            self._stream.close()

"""Pure: rows by the partition that they belong to (Iceberg spec, "Partition Transforms")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec, partition_record_value
from pyiceberg.schema import Schema

Partition: TypeAlias = tuple[Any, ...]
"""The values of the spec's fields, as manifests have them; none where the table has no partitions."""


def split(batch: pa.RecordBatch, spec: PartitionSpec, schema: Schema) -> Iterator[tuple[Partition, pa.RecordBatch]]:
    """Yield the rows of each partition, in the order that they have.

    Args:
        batch: at least one row, with the columns of the schema.
        spec: the partition spec; its sources are columns, not fields of one.
        schema: the table's schema.
    """
    if spec.is_unpartitioned():
        yield (), batch
        return
    columns = [_transformed(batch, field, schema) for field in spec.fields]
    codes = _codes(columns, batch.num_rows)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    ordered = batch.take(pa.array(order)) if len(starts) > 1 else batch
    for start, end in zip(starts, [*starts[1:], batch.num_rows], strict=True):
        first = int(order[start])
        values = (
            partition_record_value(field, column[first].as_py(), schema)
            for field, column in zip(spec.fields, columns, strict=True)
        )
        yield tuple(values), ordered.slice(start, end - start)


def _transformed(batch: pa.RecordBatch, field: PartitionField, schema: Schema) -> pa.Array:
    """Return the value that a field of the spec has in each row."""
    position = next(index for index, each in enumerate(schema.fields) if each.field_id == field.source_id)
    transform = field.transform.pyarrow_transform(schema.fields[position].field_type)
    # A copy: decimals in a message from another process need not be aligned as pyiceberg-core wants them.
    return transform(batch.column(position).take(pa.array(np.arange(batch.num_rows))))


def _codes(columns: list[pa.Array], rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a number for each row, the same for rows with the same values."""
    codes = np.zeros(rows, dtype=np.int64)
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)  # below the count of rows, so none overflows
    return codes

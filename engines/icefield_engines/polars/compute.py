"""Where a workload's frames are computed: in this process, or on Polars Cloud (cloud.py).

Everything else is the same for both: rows are written to Parquet files under a prefix, and one commit of ours adds
them to the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl
import pyarrow as pa

BATCH_ROWS = 65_536
"""No batch of a result is longer."""
FILE_BYTES = 512 * 1024 * 1024
"""About how large a Parquet file may become before the next one is started."""


@dataclass(frozen=True)
class ParquetTarget:
    """Where the rows of a frame go."""

    prefix: str
    """s3://bucket/…/ with a slash at its end; nothing else is stored under it."""
    arrow_schema: pa.Schema
    """Names, types and, in each field's metadata, the Iceberg field id (PARQUET:field_id); the frame already fits."""
    storage_options: dict[str, str] = field(repr=False)
    """What opens the object store, as Polars wants it (aws_…)."""


class Compute(Protocol):
    """Computes frames. Both calls raise whatever the computation raises."""

    writes_field_ids: bool
    """Whether `sink` puts the target's field ids into the files; else the table maps columns by their names."""

    def batches(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Compute a frame; yield its rows in order, at most BATCH_ROWS at once; one empty piece when none."""
        ...

    def sink(self, frame: pl.LazyFrame, target: ParquetTarget) -> None:
        """Compute a frame into Parquet files under the target's prefix."""
        ...


class LocalCompute:
    """The streaming engine in this process."""

    writes_field_ids = True

    def batches(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Compute a frame; yield its rows while they come."""
        empty = True
        for batch in frame.collect_batches(chunk_size=BATCH_ROWS, engine="streaming"):
            for piece in batch.iter_slices(BATCH_ROWS):
                empty = False
                yield piece
        if empty:
            yield pl.DataFrame(schema=frame.collect_schema())

    def sink(self, frame: pl.LazyFrame, target: ParquetTarget) -> None:
        """Compute a frame into Parquet files; what is not written yet is all that is held."""
        frame.sink_parquet(
            pl.PartitionBy(target.prefix, approximate_bytes_per_file=FILE_BYTES),
            arrow_schema=target.arrow_schema,
            storage_options=target.storage_options,
            engine="streaming",
        )

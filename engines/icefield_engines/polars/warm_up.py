"""Initializes before there is a workload what its first use would wait for: imports, thread pools, lazy objects.

A table of one row is written, read and queried on the local disk, as a workload does it in the object store.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import polars as pl
from pyarrow.fs import AwsStandardS3RetryStrategy, LocalFileSystem, S3FileSystem
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO, parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import TableRequirement, TableUpdate, update_table_metadata

from icefield_engines import catalog_client

from . import results
from .commit import Addition
from .compute import LocalCompute, ParquetTarget
from .types import schema_of


def warm_up() -> None:
    """Use everything once, without leaving anything behind."""
    catalog_client.trusted_authorities()
    _call_object_store()
    with tempfile.TemporaryDirectory() as folder:
        table = _table(folder)
        query = pl.SQLContext({"t": pl.scan_iceberg(table)}).execute("SELECT a, count(*) AS n FROM t GROUP BY a")
        results.store(LocalCompute().batches(query), LocalFileSystem(), str(Path(folder) / "result"))


def _call_object_store() -> None:
    """Make the S3 client's first call, which loads what every later one needs; the address is closed."""
    nowhere = S3FileSystem(
        access_key="-",
        secret_key="-",  # noqa: S106
        region="us-east-1",
        endpoint_override="127.0.0.1:9",
        scheme="http",
        allow_delayed_open=True,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
    )
    with suppress(OSError), nowhere.open_output_stream("nowhere/nothing") as stream:
        stream.write(b"-")


def _table(folder: str) -> Table:
    frame = pl.LazyFrame({"a": [1]})
    schema = schema_of(frame.collect_schema())
    location = Path(folder).as_uri()
    metadata = new_table_metadata(schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, location)
    (Path(folder) / "data").mkdir()
    LocalCompute().sink(frame, ParquetTarget(f"{location}/data/", schema_to_pyarrow(schema), {}))
    table = Table(("warm", "t"), metadata, f"{location}/metadata.json", PyArrowFileIO(), _AcceptingCatalog("warm"))
    target = Addition(table)
    paths = [f"{location}/data/{name}" for name in target.names_under(f"{location}/data/")]
    target.commit([parquet_file_to_data_file(table.io, metadata, path) for path in paths], {}, None)
    return table


class _AcceptingCatalog(NoopCatalog):
    """The catalog of the one table: it accepts every commit."""

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Return the table's metadata with the updates."""
        metadata = update_table_metadata(table.metadata, updates)
        return CommitTableResponse.model_validate(
            {"metadata": metadata, "metadata-location": f"{metadata.location}/metadata.json"}
        )

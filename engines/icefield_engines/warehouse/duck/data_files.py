"""The rows of a query as Parquet files of a table, written by DuckDB itself: it encodes with all of its threads.

DuckDB: https://duckdb.org/docs/current/sql/statements/copy, "Parquet options".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import duckdb
import pyarrow as pa

from icefield_engines.warehouse.engine import Rows

from .database import literal

SCHEMA = pa.schema([("location", pa.string()), ("rows", pa.int64())])
"""What is told of each file."""


@dataclass(frozen=True)
class DataFilesTarget:
    """Where files go, and what they are like.

    Attributes:
        folder: s3:// URL of a folder that is empty, without a slash at its end.
        field_ids: (name of a column, its id in the table's schema), in the order of the query.
        codec: zstd, gzip, snappy or uncompressed.
        file_bytes: from what length on another file is begun.
    """

    folder: str
    field_ids: tuple[tuple[str, int], ...]
    codec: str
    file_bytes: int

    def to_bytes(self) -> bytes:
        """Return this as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what is in JSON of `to_bytes`."""
        fields = json.loads(content)
        return cls(**{**fields, "field_ids": tuple((name, number) for name, number in fields["field_ids"])})


def write_data_files(connection: duckdb.DuckDBPyConnection, sql: str, target: DataFilesTarget) -> Rows:
    """Write the rows of a query that the guard allows, and return which files have them.

    Args:
        connection: where the query runs.
        sql: the query.
        target: the files; none of a statement's words is in it.

    Raises:
        duckdb.Error: the query fails, or a file cannot be written.
    """
    ids = ", ".join(f"{_quoted(name)}: {number}" for name, number in target.field_ids)
    options = (
        f"FORMAT parquet, COMPRESSION {target.codec}, FIELD_IDS {{{ids}}}, "
        f"FILE_SIZE_BYTES {target.file_bytes}, RETURN_STATS"
    )
    found = connection.execute(f"COPY ({sql}) TO {literal(target.folder)} ({options})").fetchall()
    files = [(str(location), int(rows)) for location, rows, *_ in found if rows]
    columns = [pa.array([file[index] for file in files], field.type) for index, field in enumerate(SCHEMA)]
    return Rows(SCHEMA, iter([pa.RecordBatch.from_arrays(columns, schema=SCHEMA)]))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

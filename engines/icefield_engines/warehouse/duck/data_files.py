"""The rows of a query as Parquet files of a table, written by DuckDB itself: it encodes with all of its threads.

DuckDB: https://duckdb.org/docs/current/sql/statements/copy, "Parquet options".
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.engine import Rows

from .database import identifier, literal

SCHEMA = pa.schema([("location", pa.string()), ("rows", pa.int64())])
"""What is returned of each file."""


def write_data_files(connection: duckdb.DuckDBPyConnection, sql: str, target: DataFilesTarget) -> Rows:
    """Write the rows of a query that the guard allows, and return which files have them.

    Args:
        connection: where the query runs.
        sql: the query.
        target: the files; none of a statement's words is in it.

    Raises:
        duckdb.Error: the query fails, or a file cannot be written.
    """
    ids = ", ".join(f"{identifier(name)}: {number}" for name, number in target.field_ids)
    options = (
        f"FORMAT parquet, COMPRESSION {target.codec}, FIELD_IDS {{{ids}}}, "
        f"FILE_SIZE_BYTES {target.file_bytes}, RETURN_STATS"
    )
    found = connection.execute(f"COPY ({sql}) TO {literal(target.folder)} ({options})").fetchall()
    files = [(str(location), int(rows)) for location, rows, *_ in found if rows]
    columns = [pa.array([file[index] for file in files], field.type) for index, field in enumerate(SCHEMA)]
    return Rows(SCHEMA, iter([pa.RecordBatch.from_arrays(columns, schema=SCHEMA)]))

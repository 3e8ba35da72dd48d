"""The rows of a query into a file of the workspace."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa

from icefield_crds.wire.exports import ExportTarget
from icefield_engines.warehouse.engine import Rows
from icefield_engines.warehouse.errors import Code, EngineError

from .database import identifier
from .file_guard import WILD, is_below

ROWS = "num_affected_rows"
FORMATS = ("csv", "json", "parquet")
_OPTION = r"[A-Z_]+ (?:'(?:[^']|'')*'|\d+|true|false)"
_OPTIONS = re.compile(rf"{_OPTION}(?:, {_OPTION})*")
_WIDE = ("HUGEINT", "UHUGEINT")
"""Types of sums of integers, which are Spark's bigint and which files have no type for."""


def export_rows(connection: duckdb.DuckDBPyConnection, sql: str, export: ExportTarget, root: str) -> Rows:
    """Write the rows of a query that the guard allows, replacing the file, and return how many they were.

    Args:
        connection: where the query runs.
        sql: the query.
        export: the file.
        root: s3:// URL of the workspace's prefix, without a slash at its end.

    Raises:
        EngineError: STATEMENT_NOT_ALLOWED.
        duckdb.Error: the query fails, or the file cannot be written.
    """
    is_file = is_below(export.location, root) and WILD.isdisjoint(export.location)
    if not is_file or export.format not in FORMATS or (export.options and not _OPTIONS.fullmatch(export.options)):
        raise EngineError(Code.STATEMENT_NOT_ALLOWED, f"The file {export.location[:200]} cannot be written.")
    described = connection.execute(f"DESCRIBE SELECT * FROM ({sql})").fetchall()  # noqa: S608 - the guard allows it
    wide = [name for name, kind, *_ in described if kind in _WIDE]
    query = sql
    if wide:
        replaced = ", ".join(f"CAST({identifier(name)} AS BIGINT) AS {identifier(name)}" for name in wide)
        query = f"SELECT * REPLACE ({replaced}) FROM ({sql})"  # noqa: S608 - written by us
    options = f", {export.options}" if export.options else ""
    location = export.location.replace("'", "''")
    found = connection.execute(f"COPY ({query}) TO '{location}' (FORMAT {export.format}{options})").fetchone()
    batch = pa.RecordBatch.from_pydict({ROWS: [found[0] if found else 0]}, pa.schema([(ROWS, pa.int64())]))
    return Rows(batch.schema, iter([batch]))

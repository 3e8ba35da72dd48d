"""One statement, in DuckDB's process."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from icefield_crds.wire.exports import ExportTarget
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.engine import Rows
from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.results.types import conversion

from .bad_rows import read_bad_rows
from .data_files import write_data_files
from .database import Databases
from .export import export_rows
from .file_errors import sentence_of
from .statement_guard import StatementGuard
from .types import target_of

_NARROW_ROWS = 65_536
_WIDE_ROWS = 16_384
"""Rows of a batch with texts, bytes or nested values, which may be long."""
_NARROW = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "decimal"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "float", "double"),
        *("date", "timestamp", "timestamp with time zone"),
    }
)
_PROBLEM = re.compile(r"([A-Za-z][A-Za-z /]*?) Error: (.*)", re.DOTALL)
_RAISED = re.compile(r"\[([A-Z][A-Z0-9_.]*)\] (.*)", re.DOTALL)
"""What a translated statement raises by error(): Spark's error class and sentence."""
_OURS = frozenset(Code) - {Code.ARITHMETIC_OVERFLOW}
"""Error classes that no statement may raise by itself: what reads them acts on them."""
_POSITION = re.compile(r"\n\n(LINE \d+:|Possible solutions:).*", re.DOTALL)
_SHORT_CODES = {"OUT_OF_MEMORY_ERROR": Code.OUT_OF_MEMORY, "OUT_OF_RANGE_ERROR": "OUT_OF_RANGE"}


LITERALS = "literals"
"""The table of a statement's literals."""


class Work(NamedTuple):
    """A query, the rows of the table `literals` that it may read, and the file, or the table's files, for its rows."""

    sql: str
    literals: pa.Table | None = None
    export: ExportTarget | None = None
    data_files: DataFilesTarget | None = None


class DuckDBExecution:
    """One statement on a connection of its own."""

    def __init__(self, databases: Databases, guard: StatementGuard, work: Work) -> None:
        """Run a query, if the guard allows it, on one of these databases."""
        self._sql, self._literals, self._export, self._data_files = work
        self._guard = guard
        self._databases = databases
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._closing = threading.Lock()
        self._is_closed = False
        self._keeps_bad_rows = False

    def start(self) -> Rows:
        """Run the statement up to its first rows."""
        connection = self._connect()
        if self._literals is not None:
            connection.register(LITERALS, self._literals)
        if self._export:
            return export_rows(connection, self._sql, self._export, self._guard.root)
        if self._data_files:
            return write_data_files(connection, self._sql, self._data_files)
        connection.execute(self._sql)
        described = connection.description or []
        types = [column[1] for column in described]
        is_narrow = all(str(kind.id) in _NARROW for kind in types)
        reader = connection.to_arrow_reader(_NARROW_ROWS if is_narrow else _WIDE_ROWS)
        fields = [
            pa.field(field.name, target_of(field.type, kind)) for field, kind in zip(reader.schema, types, strict=True)
        ]
        target = pa.schema(fields)
        return Rows(target, _batches(reader, conversion(reader.schema, target)))

    def bad_rows(self) -> bytes | None:
        """Return the rows that could not be read, as JSON lines, after the last batch; None where none are kept."""
        if not self._keeps_bad_rows or self._connection is None:
            return None
        return read_bad_rows(self._connection, self._guard.root)

    def interrupt(self) -> None:
        """Have DuckDB stop at its next step."""
        with self._closing:
            if self._connection and not self._is_closed:
                self._connection.interrupt()

    def close(self) -> None:
        """Close the connection, and with it what is left of the result."""
        with self._closing:
            self._is_closed = True
            if self._connection:
                self._connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the database that the statement reads from.

        Raises:
            EngineError: STATEMENT_NOT_ALLOWED.
            duckdb.Error: it does not parse.
        """
        tables = frozenset() if self._literals is None else frozenset({LITERALS})
        checked = self._guard.check(self._sql, tables)
        self._keeps_bad_rows = checked.keeps_bad_rows
        database = self._databases.files if checked.reads_files else self._databases.tables
        with self._closing:
            self._connection = database.cursor()
            return self._connection

    def describe_error(self, error: Exception) -> tuple[str, str]:
        """Return DuckDB's kind of error in upper snake case, and its message without the quoted SQL."""
        return describe_error(error, self._guard.root)


def describe_error(error: Exception, root: str) -> tuple[str, str]:
    """Return code and sentence for what DuckDB, or Arrow reading from DuckDB, raised.

    Args:
        error: what was raised.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    if isinstance(error, EngineError):
        return error.code, error.message
    if isinstance(error, (MemoryError, pa.ArrowMemoryError)):
        return Code.OUT_OF_MEMORY, "The statement needs more memory than the warehouse has."
    found = _PROBLEM.match(str(error))
    if not found:
        return Code.INTERNAL_ERROR, str(error) or type(error).__name__
    if (raised := _RAISED.match(found[2])) and raised[1] not in _OURS:
        return raised[1], raised[2].strip()
    code = re.sub(r"[^A-Z]+", "_", f"{found[1]} Error".upper())
    return _SHORT_CODES.get(code, code), _POSITION.sub("", sentence_of(str(error), root)).strip()


def _batches(reader: pa.RecordBatchReader, convert: Any) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        yield convert(batch)

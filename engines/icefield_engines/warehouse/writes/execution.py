"""Statements whose rows DuckDB produces, and which are appended to a table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from icefield_crds.wire.appends import Appended, AppendTarget, BadRows
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.engine import Execution, Rows
from icefield_engines.warehouse.errors import Code, EngineError

from .appender import Appender
from .bad_rows import keep

STATEMENT_ID = "icefield.statement-id"
"""The entry of a snapshot's summary that names the statement, as Spark's sessions write it (spark/session.py)."""
log = logging.getLogger(__name__)


class RowSource(Execution, Protocol):
    """A query; the files of a table that get its rows, if they are set before the start; and the rows of files that
    could not be read, as JSON lines, once it has no more batches.
    """

    data_files: DataFilesTarget | None
    bad_rows: bytes


class AppendExecution:
    """A query on DuckDB, and the table that gets its rows."""

    def __init__(
        self,
        query: RowSource,
        appender: Appender,
        target: AppendTarget,
        statement_id: str,
        bad_rows: BadRows | None = None,
        is_bulk: bool = False,
    ) -> None:
        """Append the rows of this query.

        Args:
            query: the query.
            appender: writes and commits.
            target: the table.
            statement_id: what the snapshot names.
            bad_rows: what becomes of rows of files that cannot be read.
            is_bulk: whether there may be many rows, which DuckDB then writes itself, where the table allows that.
        """
        self._is_bulk = is_bulk
        self._bad_rows = bad_rows
        self._left_out = 0
        self._query = query
        self._appender = appender
        self._target = target
        self._statement_id = statement_id
        self._is_stopped = threading.Event()
        self.appended: Appended | None = None

    def start(self) -> Rows:
        """Run the query to its end, and commit its rows."""
        summary = {STATEMENT_ID: self._statement_id}
        appended = self._appender.append_files(self._target, self._write_files, summary) if self._is_bulk else None
        if appended is None:
            rows = self._query.start()
            appended = self._appender.append(self._target, self._until_stopped(rows.batches), summary)
        self.appended = replace(appended, left_out=self._left_out)
        return Rows(pa.schema([]))

    def interrupt(self) -> None:
        """Have DuckDB stop; a commit that has begun is not stopped."""
        self._is_stopped.set()
        self._query.interrupt()

    def close(self) -> None:
        """Release what the query holds."""
        self._query.close()

    def describe_error(self, error: Exception) -> tuple[str, str]:
        """Return code and sentence for what producing or writing the rows raised."""
        return self._query.describe_error(error)

    def _write_files(self, files: DataFilesTarget) -> list[str]:
        """Have DuckDB write the rows; return the addresses of the files."""
        self._query.data_files = files
        rows = self._query.start()
        return [location for batch in self._until_stopped(rows.batches) for location in batch["location"].to_pylist()]

    def _until_stopped(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._is_stopped.is_set():
                raise EngineError(Code.CANCELLED, "The statement was stopped.")
            yield batch
        if self._bad_rows:
            self._left_out = keep(self._query.bad_rows, self._bad_rows, self._appender.write_file)
        if self._is_stopped.is_set():
            raise EngineError(Code.CANCELLED, "The statement was stopped.")

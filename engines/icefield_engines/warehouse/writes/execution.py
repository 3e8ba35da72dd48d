"""Statements whose rows DuckDB produces, and which are appended to a table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pyarrow as pa

from icefield_crds.wire.appends import Appended, AppendTarget
from icefield_engines.warehouse.engine import Execution, Rows
from icefield_engines.warehouse.errors import Code, EngineError

from .appender import Appender

STATEMENT_ID = "icefield.statement-id"
"""The entry of a snapshot's summary that names the statement, as Spark's sessions write it (spark/session.py)."""
log = logging.getLogger(__name__)


class AppendExecution:
    """A query on DuckDB, and the table that gets its rows."""

    def __init__(self, query: Execution, appender: Appender, target: AppendTarget, statement_id: str) -> None:
        """Append the rows of this query; the snapshot names this statement."""
        self._query = query
        self._appender = appender
        self._target = target
        self._statement_id = statement_id
        self._is_stopped = threading.Event()
        self.appended: Appended | None = None

    def start(self) -> Rows:
        """Run the query to its end, and commit its rows."""
        rows = self._query.start()
        summary = {STATEMENT_ID: self._statement_id}
        self.appended = self._appender.append(self._target, self._until_stopped(rows.batches), summary)
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

    def _until_stopped(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._is_stopped.is_set():
                raise EngineError(Code.CANCELLED, "The statement was stopped.")
            yield batch
        if self._is_stopped.is_set():
            raise EngineError(Code.CANCELLED, "The statement was stopped.")

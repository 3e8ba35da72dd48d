"""Statements on DuckDB, as the gateway runs them: in a process of its own, which they may bring down with them."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa

from icefield_crds.wire.appends import Literals
from icefield_crds.wire.exports import ExportTarget
from icefield_crds.wire.gateway import EngineName, StatementRequest
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.engine import Execution, Rows
from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.writes.appender import Appender
from icefield_engines.warehouse.writes.execution import AppendExecution

from .crashes import Crashes, digest_of
from .frames import Frame, Kind, PeerGoneError, receive, send
from .process import START_SECONDS, DuckDBProcess, Generation

log = logging.getLogger(__name__)

RESTART_INTERVAL = 0.1
"""Seconds between two looks whether it runs again."""


class DuckDBEngine:
    """Runs statements in DuckDB's process, none that has brought it down."""

    name = EngineName.DUCKDB

    def __init__(self, process: DuckDBProcess, statements_at_once: int, appender: Appender) -> None:
        """Run statements in a process that somebody keeps running; rows are appended by this."""
        self._process = process
        self._appender = appender
        self._crashes = Crashes()
        self.statements_at_once = statements_at_once

    @property
    def is_ready(self) -> bool:
        """Whether a statement would start at once."""
        return self._process.is_ready

    async def wait_until_ready(self) -> None:
        """Return when statements can run.

        Raises:
            EngineError: ENGINE_LOST; DuckDB does not start.
        """
        await self._process.wait_until_ready()

    def execution(self, statement_id: str, request: StatementRequest) -> Execution:
        """Return the statement, not yet started."""
        query = RemoteExecution(
            self._process, self._crashes, statement_id, request.sql, request.literals, request.export
        )
        if request.append is None:
            return query
        signature = request.signature or statement_id
        return AppendExecution(query, self._appender, request.append, signature, request.bad_rows, request.is_bulk)


class RemoteExecution:
    """One statement on a connection to DuckDB's process."""

    appended = None

    def __init__(
        self,
        process: DuckDBProcess,
        crashes: Crashes,
        statement_id: str,
        sql: str,
        literals: Literals = (),
        export: ExportTarget | None = None,
    ) -> None:
        """Run this SQL there, over these literals, unless it is the cause of a crash; its rows may go to a file."""
        self._process = process
        self._crashes = crashes
        self._id = statement_id
        self._sql = sql
        self._literals = literals
        self._export = export
        self.data_files: DataFilesTarget | None = None
        """The files of a table that get the rows, if they are set before the start: the answer then lists them."""
        self.bad_rows = b""
        """The rows of files that could not be read, as JSON lines, once there are no more batches."""
        self._digest = digest_of(sql)
        self._generation: Generation | None = None
        self._connection: socket.socket | None = None
        self._is_answered = False
        self._is_interrupted = threading.Event()
        self._sending = threading.Lock()

    def start(self) -> Rows:
        """Run the statement up to its schema.

        Raises:
            EngineError: it failed, or the process ended.
        """
        if self._crashes.is_cause(self._digest):
            raise EngineError(
                Code.ENGINE_CRASHED, "DuckDB's process ended while it ran this statement; it does not run it again."
            )
        give_up = time.monotonic() + START_SECONDS
        while not self._is_taken():
            if time.monotonic() > give_up or self._is_interrupted.is_set():
                raise EngineError(Code.ENGINE_LOST, "DuckDB does not start.")
        schema = pa.ipc.read_schema(self._next().content)
        return Rows(schema, self._batches(schema))

    def interrupt(self) -> None:
        """Have DuckDB stop at its next step."""
        self._is_interrupted.set()
        with self._sending, suppress(PeerGoneError):
            if self._connection:
                send(self._connection, Kind.INTERRUPT)

    def close(self) -> None:
        """Give the connection back, or close it when there is more to come: DuckDB then stops."""
        with self._sending:
            connection, self._connection = self._connection, None
        if self._generation is None or connection is None:
            return
        self._generation.note_ended(self)
        if self._is_answered:
            self._generation.disconnect(connection)
        else:
            connection.close()

    def describe_error(self, error: Exception) -> tuple[str, str]:
        """Return code and sentence for what reading the answer raised."""
        if isinstance(error, (MemoryError, pa.ArrowMemoryError)):
            return Code.OUT_OF_MEMORY, "The statement needs more memory than the warehouse has."
        return Code.INTERNAL_ERROR, str(error) or type(error).__name__

    def _is_taken(self) -> bool:
        """Have the process take the statement; return False after a moment when it has ended, or starts again."""
        generation = self._process.current
        if generation is None:
            self._is_interrupted.wait(RESTART_INTERVAL)
            return False
        # Before it is given the statement: one that ends the process at once would else look like none of its victims,
        # and another, that ran beside it, like the cause.
        generation.note_running(self, self._digest)
        try:
            connection = generation.connect()
            try:
                if self._literals:
                    send(connection, Kind.LITERALS, _stream_of(self._literals))
                if self._export:
                    send(connection, Kind.EXPORT, json.dumps(self._export.to_json()).encode())
                if self.data_files:
                    send(connection, Kind.DATA_FILES, self.data_files.to_bytes())
                send(connection, Kind.QUERY, self._sql.encode())
                receive(connection)  # RUNNING: only now may it be what ends the process
            except PeerGoneError:
                connection.close()
                raise
        except PeerGoneError:
            generation.note_ended(self)
            generation.wait_for_end(RESTART_INTERVAL)
            return False
        with self._sending:
            self._generation, self._connection = generation, connection
        return True

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        while (frame := self._next()).kind is Kind.BATCH:
            yield pa.ipc.read_record_batch(frame.content, schema)
        if frame.kind is Kind.BAD_ROWS:
            self.bad_rows = frame.content.to_pybytes()
            self._next()

    def _next(self) -> Frame:
        """Return the next message of the answer.

        Raises:
            EngineError: the statement failed, or the process ended.
        """
        assert self._connection  # noqa: S101 - the statement has started
        try:
            frame = receive(self._connection)
        except PeerGoneError as error:
            raise self._crashed() from error
        self._is_answered = frame.kind in (Kind.END, Kind.FAILURE)
        if frame.kind is Kind.FAILURE:
            failure = json.loads(frame.content.to_pybytes())
            raise EngineError(failure["code"], failure["message"])
        return frame

    def _crashed(self) -> EngineError:
        """Return the error of a statement under which the process ended."""
        assert self._generation  # noqa: S101 - the statement has started
        victims = self._generation.victims(self._crashes.record)
        how = self._generation.describe_end()
        log.error("DuckDB %s while it ran %s and %d others", how, self._id, len(victims) - 1)
        if self._crashes.is_cause(self._digest):
            return EngineError(Code.ENGINE_CRASHED, f"DuckDB's process {how} while it ran this statement.")
        return EngineError(
            Code.ENGINE_CRASH_SUSPECTED, f"DuckDB's process {how} while it ran this statement and others."
        )


def _stream_of(literals: Literals) -> pa.Buffer:
    """Return columns of texts as an Arrow IPC stream."""
    table = pa.table({f"c{index}": pa.array(column, pa.string()) for index, column in enumerate(literals)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()

"""DuckDB's process: it answers the statements of the gateway that started it, and ends with it.

The gateway hands over one end of a connection for each statement that it runs at once (unix(7), SCM_RIGHTS).
"""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from icefield_crds.wire.exports import ExportTarget
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.errors import EngineError

from .database import Databases
from .execution import DuckDBExecution, Work
from .frames import READY, Kind, PeerGoneError, receive, send
from .statement_guard import StatementGuard

log = logging.getLogger(__name__)

INTERRUPT_INTERVAL = 0.2
"""Seconds: an interrupt between two steps of DuckDB is lost, so it is repeated."""
_OOM_SCORE = Path("/proc/self/oom_score_adj")


def serve(control: socket.socket, databases: Databases, root: str) -> None:
    """Answer statements until the gateway is gone.

    Args:
        control: on which the gateway hands over connections; closed when it ends.
        databases: open databases.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    guard = StatementGuard(databases.tables, root)
    control.sendall(READY)
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except OSError:
            return
        if not message:
            return
        for descriptor in descriptors:
            _Connection(socket.socket(fileno=descriptor), databases, guard).start()


def prefer_to_be_killed() -> None:
    """Have the kernel end this process before the gateway when the container's memory is used up (proc(5))."""
    with suppress(OSError):
        _OOM_SCORE.write_text("500")


class _Connection:
    """One connection: a thread runs its statements one after the other, another waits for interrupts."""

    def __init__(self, connection: socket.socket, databases: Databases, guard: StatementGuard) -> None:
        self._connection = connection
        self._databases = databases
        self._guard = guard
        self._queries: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._running: DuckDBExecution | None = None

    def start(self) -> None:
        """Start both threads; they end with the connection."""
        for loop in (self._receive, self._run):
            threading.Thread(target=loop, daemon=True).start()

    def _receive(self) -> None:
        literals: pa.Table | None = None
        export: ExportTarget | None = None
        data_files: DataFilesTarget | None = None
        with suppress(PeerGoneError):
            while True:
                kind, content = receive(self._connection)
                if kind is Kind.LITERALS:
                    literals = pa.ipc.open_stream(content).read_all()
                elif kind is Kind.EXPORT:
                    export = ExportTarget.from_json(json.loads(content.to_pybytes()))
                elif kind is Kind.DATA_FILES:
                    data_files = DataFilesTarget.from_bytes(content.to_pybytes())
                elif kind is Kind.QUERY:
                    self._queries.put(Work(content.to_pybytes().decode(), literals, export, data_files))
                    literals = export = data_files = None
                else:
                    self._interrupt()
        self._queries.put(None)
        waiting = threading.Event()
        while self._running:
            self._interrupt()
            waiting.wait(INTERRUPT_INTERVAL)

    def _run(self) -> None:
        with self._connection, suppress(PeerGoneError):
            while (work := self._queries.get()) is not None:
                self._running = DuckDBExecution(self._databases, self._guard, work)
                try:
                    self._answer(self._running)
                finally:
                    self._running = None

    def _answer(self, execution: DuckDBExecution) -> None:
        try:
            send(self._connection, Kind.RUNNING)
            with closing(execution):
                rows = execution.start()
                send(self._connection, Kind.SCHEMA, rows.schema.serialize())
                for batch in rows.batches:
                    send(self._connection, Kind.BATCH, batch.serialize())
                if (bad_rows := execution.bad_rows()) is not None:
                    send(self._connection, Kind.BAD_ROWS, bad_rows)
            send(self._connection, Kind.END)
        except PeerGoneError:
            raise
        except Exception as error:
            if not isinstance(error, EngineError | duckdb.Error | MemoryError):
                log.exception("a statement failed because of an internal error")
            code, message = execution.describe_error(error)
            send(self._connection, Kind.FAILURE, json.dumps({"code": code, "message": message}).encode())

    def _interrupt(self) -> None:
        if running := self._running:
            running.interrupt()

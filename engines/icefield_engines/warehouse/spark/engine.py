"""Statements on Spark."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from icefield_crds.wire.gateway import EngineName, StatementRequest
from icefield_engines.warehouse.engine import Rows
from icefield_engines.warehouse.errors import Code, EngineError

from .connection import SparkConnection
from .errors import describe_error, is_lost

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

_SESSIONS_TRIED = 8
_GONE = "Spark ended while the statement ran, perhaps out of memory."


class SparkEngine:
    """The Spark Connect server beside the gateway."""

    name = EngineName.SPARK

    def __init__(self, connection: SparkConnection, statements_at_once: int, wait_seconds: float) -> None:
        """Run statements on this connection; each waits up to `wait_seconds` for the server."""
        self._connection = connection
        self._wait_seconds = wait_seconds
        self.statements_at_once = statements_at_once

    @property
    def is_ready(self) -> bool:
        """Whether the server is ready and warm."""
        return self._connection.is_ready

    async def wait_until_ready(self) -> None:
        """Return when the server is ready.

        Raises:
            EngineError: SPARK_UNAVAILABLE.
        """
        if not await self._connection.wait(self._wait_seconds):
            raise unavailable(self._wait_seconds)

    def execution(self, statement_id: str, request: StatementRequest) -> SparkExecution:
        """Return the statement, not yet started."""
        signature = request.signature or statement_id
        return SparkExecution(self._connection, statement_id, signature, request.sql, self._wait_seconds)


class SparkExecution:
    """One statement in a session of its own."""

    appended = None

    def __init__(
        self, connection: SparkConnection, statement_id: str, signature: str, sql: str, wait_seconds: float
    ) -> None:
        """Run this SQL in a session of this connection; wait up to `wait_seconds` for the server.

        Args:
            connection: to the server.
            statement_id: the statement's id at the gateway, by which it is stopped.
            signature: what its snapshots name.
            sql: the statement.
            wait_seconds: how long the server may take to start.
        """
        self._connection = connection
        self._id = statement_id
        self._signature = signature
        self._sql = sql
        self._wait_seconds = wait_seconds
        self._session: Session | None = None
        self._has_started = False
        self._has_ended = False
        self._is_stopped = threading.Event()

    def start(self) -> Rows:
        """Run a command, or a query up to its schema."""
        session = self._prepared_session()
        self._has_started = True
        rows = session.run(self._sql)
        return Rows(rows.schema, self._until_end(rows.batches))

    def interrupt(self) -> None:
        """Have Spark stop the statement's operations."""
        self._is_stopped.set()
        if self._session and self._has_started:
            try:
                self._session.interrupt(self._id)
            except Exception as error:
                log.info("%s could not be interrupted: %s", self._id, type(error).__name__)

    def close(self) -> None:
        """Give the session back; what is left of the result is no longer computed."""
        if self._session is None:
            return
        if self._has_started and not self._has_ended:
            self.interrupt()
        self._connection.give_back(self._session)

    def describe_error(self, error: Exception) -> tuple[str, str]:
        """Return Spark's error class and message; ENGINE_LOST when Spark is lost."""
        if not self._has_started or not is_lost(error):
            return describe_error(error)
        self._connection.lose(self._session)
        return Code.ENGINE_LOST, _GONE

    def _prepared_session(self) -> Session:
        """Return a session for the statement; when Spark was just lost, one on the next start of Spark.

        Raises:
            EngineError: SPARK_UNAVAILABLE.
        """
        for _ in range(_SESSIONS_TRIED):
            if not self._connection.wait_in_thread(self._wait_seconds, self._is_stopped):
                break
            try:
                self._session = self._connection.borrow()
                self._session.prepare(self._id, self._signature)
            except Exception as error:
                if not is_lost(error):
                    raise
                self._connection.lose(self._session)
            else:
                return self._session
        raise unavailable(self._wait_seconds)

    def _until_end(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches
        self._has_ended = True


def unavailable(seconds: float) -> EngineError:
    """Return the error of a statement that waited that long for Spark."""
    return EngineError(Code.SPARK_UNAVAILABLE, f"Spark was not ready within {seconds:g} s.")

"""One statement and its state."""

from __future__ import annotations

import asyncio
import time

from icefield_crds.wire.appends import Appended
from icefield_crds.wire.gateway import ResultIndex, StatementPhase, StatementRequest, StatementState

from .errors import Code
from .results.ipc import ResultStream
from .results.types import spark_name


class Statement:
    """A request and its outcome; used by the event loop only."""

    def __init__(self, statement_id: str, request: StatementRequest) -> None:
        """Create a statement that is queued."""
        self.id = statement_id
        self.request = request
        self.phase = StatementPhase.PENDING
        self.error: tuple[str, str] | None = None
        self.ended = asyncio.Event()
        self.stop = asyncio.Event()
        """Set when the engine has to stop."""
        self._stop_as: tuple[StatementPhase, tuple[str, str]] | None = None
        self._started: float | None = None
        self._duration: float | None = None
        self._schema: list[dict[str, str]] | None = None
        self._rows: int | None = None
        self._is_truncated = False
        self._inline: bytes | None = None
        self._content: bytes | None = None
        self._is_stored = False
        self._result: ResultIndex | None = None
        self._appended: Appended | None = None

    @property
    def inline_bytes(self) -> int:
        """Size of its rows in memory."""
        content = b"" if self._content is self._inline else self._content
        return len(self._inline or b"") + len(content or b"")

    @property
    def content(self) -> bytes | None:
        """Its whole result, as long as that is not in the object store."""
        return None if self._is_stored else self._content

    def start(self) -> None:
        """Mark it as running."""
        self.phase = StatementPhase.RUNNING
        self._started = time.perf_counter()

    def cancel(self) -> None:
        """Stop it on request."""
        self._stop(StatementPhase.CANCELLED, Code.CANCELLED, "The statement was cancelled.")

    def time_out(self) -> None:
        """Stop it because its time is over."""
        sentence = f"The statement did not end within {self.request.timeout_seconds:g} s."
        self._stop(StatementPhase.FAILED, Code.TIMED_OUT, sentence)

    def lose(self, why: str) -> None:
        """Stop it because its engine shuts down."""
        self._stop(StatementPhase.FAILED, Code.ENGINE_LOST, f"{why}.")

    def succeed(self, stream: ResultStream, content: bytes | None = None, appended: Appended | None = None) -> None:
        """Mark it as succeeded: its result is stored, or this is its content; or rows were appended."""
        self._appended = appended
        if stream.schema is not None:
            self._schema = [{"name": field.name, "type": spark_name(field.type)} for field in stream.schema]
            self._rows = stream.rows
            self._is_truncated = stream.is_truncated
            inline = stream.inline()
            self._inline = content if inline == content else inline
            self._content = content
            if self.request.result_key:
                self._result = stream.index(self.request.result_key)
        self._end(StatementPhase.SUCCEEDED)

    def result_stored(self) -> None:
        """Record that its result is in the object store now."""
        self._is_stored = True

    def fail(self, code: str, message: str) -> None:
        """Mark it as failed, or as cancelled when it was stopped."""
        phase, self.error = self._stop_as or (StatementPhase.FAILED, (code, message))
        self._end(phase)

    def state(self) -> StatementState:
        """Return its state, as the protocol has it."""
        code, message = self.error or (None, None)
        return StatementState(
            id=self.id,
            status=self.phase,
            engine=self.request.engine,
            error_code=code,
            error_message=message,
            schema=self._schema,
            rows_produced=self._rows,
            truncated=self._is_truncated,
            duration_ms=round(self._duration * 1000, 3) if self._duration is not None else None,
            inline=self._inline,
            result=self._result,
            content=self.content,
            appended=self._appended,
        )

    def _stop(self, phase: StatementPhase, code: str, message: str) -> None:
        if not self.phase.is_final and not self._stop_as:
            self._stop_as = (phase, (code, message))
            self.stop.set()

    def _end(self, phase: StatementPhase) -> None:
        self.phase = phase
        if self._started is not None:
            self._duration = time.perf_counter() - self._started
        self.ended.set()

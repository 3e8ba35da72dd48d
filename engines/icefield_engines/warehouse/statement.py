"""One statement and how it stands."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .errors import Code, lost
from .protocol import Phase, StatementRequest
from .results.ipc import ResultStream
from .results.types import spark_name


class Statement:
    """What was asked and what became of it; touched by the event loop only."""

    def __init__(self, statement_id: str, request: StatementRequest) -> None:
        """Take a statement that waits for its turn."""
        self.id = statement_id
        self.request = request
        self.phase = Phase.PENDING
        self.error: tuple[str, str] | None = None
        self.ended = asyncio.Event()
        self.stop = asyncio.Event()
        """Set when the engine is to stop."""
        self._stop_as: tuple[Phase, tuple[str, str]] | None = None
        self._began: float | None = None
        self._duration: float | None = None
        self._schema: list[dict[str, str]] | None = None
        self._rows: int | None = None
        self._is_truncated = False
        self._inline: str | None = None
        self._result: dict[str, Any] | None = None

    @property
    def inline_bytes(self) -> int:
        """How much memory its first rows take."""
        return len(self._inline or "")

    def begin(self) -> None:
        """It has its turn."""
        self.phase = Phase.RUNNING
        self._began = time.perf_counter()

    def cancel(self) -> None:
        """Have it stop because somebody asked."""
        self._stop(Phase.CANCELLED, Code.CANCELLED, "The statement was cancelled.")

    def time_out(self) -> None:
        """Have it stop because its time is over."""
        sentence = f"The statement did not end within {self.request.timeout_seconds:g} s."
        self._stop(Phase.FAILED, Code.TIMED_OUT, sentence)

    def lose(self, why: str) -> None:
        """Have it stop because its engine goes."""
        self._stop(Phase.FAILED, Code.ENGINE_LOST, lost(why, is_write=self.request.is_write))

    def succeed(self, stream: ResultStream) -> None:
        """It is through, and its result is stored."""
        if stream.schema is not None:
            self._schema = [{"name": field.name, "type": spark_name(field.type)} for field in stream.schema]
            self._rows = stream.index.rows
            self._is_truncated = stream.is_truncated
            self._inline = stream.inline()
            if self.request.result_key:
                self._result = {
                    "key": self.request.result_key,
                    "bytes": stream.index.size,
                    "schema_bytes": stream.index.schema_bytes,
                    "batches": stream.index.batches,
                }
        self._end(Phase.SUCCEEDED)

    def fail(self, code: str, message: str) -> None:
        """It failed, or was stopped, which is then what counts."""
        phase, self.error = self._stop_as or (Phase.FAILED, (code, message))
        self._end(phase)

    def state(self) -> dict[str, Any]:
        """Return how it stands, as the protocol has it."""
        return {
            "id": self.id,
            "status": self.phase,
            "engine": self.request.engine,
            "error": {"code": self.error[0], "message": self.error[1]} if self.error else None,
            "schema": self._schema,
            "rows_produced": self._rows,
            "truncated": self._is_truncated,
            "duration_ms": round(self._duration * 1000, 3) if self._duration is not None else None,
            "inline": self._inline,
            "result": self._result,
        }

    def _stop(self, phase: Phase, code: str, message: str) -> None:
        if not self.phase.is_final and not self._stop_as:
            self._stop_as = (phase, (code, message))
            self.stop.set()

    def _end(self, phase: Phase) -> None:
        self.phase = phase
        if self._began is not None:
            self._duration = time.perf_counter() - self._began
        self.ended.set()

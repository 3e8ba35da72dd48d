"""A statement that this process runs: its state in memory, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import icefield_sql as sql
from icefield_apiserver.features.lineage.service import TableAccess
from icefield_crds.wire.gateway import StatementState

from .models import Statement
from .planning import Parsed
from .write_lineage import WrittenObject


class StatementError(Exception):
    """The statement fails, with a message for its caller.

    Args:
        code: an error class, such as TABLE_OR_VIEW_NOT_FOUND.
        message: what went wrong.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CancelledError(Exception):
    """The statement was cancelled before an engine received it."""


class LostError(Exception):
    """The warehouse no longer knows the state of the statement.

    Args:
        why: the reason, as the first part of a sentence.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class StatementOutcome:
    """How a statement ended.

    Attributes:
        state: its final state at the gateway; None where it ended without one.
        objects: the tables and views that it writes, before it and after.
    """

    status: str
    error_code: str | None = None
    error_message: str | None = None
    state: StatementState | None = None
    rows_produced: int | None = None
    read: tuple[TableAccess, ...] = ()
    written: tuple[TableAccess, ...] = ()
    objects: tuple[WrittenObject, ...] = ()


class Execution:
    """One statement being executed.

    Args:
        statement: its record; changes go to the database and to this object.
        parsed: its parse; None when it was adopted from another process.
        inline_rows: how many rows the caller that waits receives directly.
        new_record: the record of a new statement, which is not in the database yet.

    Attributes:
        losses: how often its engine was lost.
        refusal: how it ended on DuckDB, which could not answer it, before it was sent to Spark.
        engine_text: its text as its engine was given it, unless that is long.
        skipped_files: how many files it did not load because they were loaded before.
    """

    def __init__(
        self,
        statement: Statement,
        parsed: Parsed | None,
        inline_rows: int = 0,
        new_record: dict[str, Any] | None = None,
    ) -> None:
        self.statement = statement
        self.parsed = parsed
        self.inline_rows = inline_rows
        self.inline: bytes | None = None
        self._new_record = new_record
        self.recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recording: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.stop = asyncio.Event()
        self.endpoint: str | None = None
        self.losses = statement.attempts
        self.refusal: StatementState | None = None
        self.engine_text: str | None = None
        self.skipped_files = 0

    @property
    def gateway_id(self) -> str:
        """The id of the statement at the gateway; each retry has its own."""
        attempts = self.statement.attempts
        return f"{self.statement.id}-{attempts}" if attempts else self.statement.id

    @property
    def is_recorded(self) -> bool:
        """Whether its record is stored in the database."""
        return self.recorded.done() and not self.recorded.cancelled() and self.recorded.exception() is None

    @property
    def may_be_recorded_late(self) -> bool:
        """Whether the record of a new statement may wait for its end.

        Its caller waits for its rows and does not know its id before, so that nothing is lost when this process ends.
        """
        statement = self.statement
        is_export = self.parsed is not None and self.parsed.statement.export is not None
        is_harmless = not (statement.is_write or statement.idempotency_key or statement.run_uid or is_export)
        return is_harmless and self.inline_rows > 0

    def amend_new_record(self, values: dict[str, Any]) -> bool:
        """Change the record of a new statement before it is stored; return whether it is not stored yet."""
        if self._new_record is None:
            return False
        self._new_record |= values
        self.change(values)
        return True

    def take_new_record(self) -> dict[str, Any] | None:
        """Return the record of a new statement to whoever stores it: the first to ask; None to all others."""
        record, self._new_record = self._new_record, None
        return record

    @property
    def is_copy(self) -> bool:
        """Whether it loads files into a table, as far as is known of one that another process accepted."""
        if self.parsed:
            return self.parsed.statement.copy_into is not None
        return (self.statement.before_write or {}).get("command") == "COPY INTO"

    @property
    def request(self) -> dict[str, Any]:
        """The request's fields, as they are stored."""
        return self.statement.request

    async def pause(self, seconds: float) -> None:
        """Wait for so long, unless the statement is cancelled meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()

    def note_engine_text(self, text: str) -> None:
        """Keep the text that its engine is given: what the engine says of it may name places in it."""
        self.engine_text = text if len(text) <= sql.MAX_EXPLAINED_TEXT else None

    async def explain(self, state: StatementState) -> str:
        """Return what an engine says of the statement, which failed, in words of its author."""
        message = sql.EngineMessage(state.error_code or "", state.error_message or "")
        written = sql.WrittenText(self.statement.query, self.statement.dialect, self.engine_text)
        return await asyncio.to_thread(sql.explain, message, written, self.statement.workspace)

    def check_cancelled(self) -> None:
        """Do nothing while the statement is wanted.

        Raises:
            CancelledError: its cancellation was requested.
        """
        if self.stop.is_set():
            raise CancelledError

    def change(self, values: dict[str, Any]) -> None:
        """Set in memory what was written to the database."""
        for name, value in values.items():
            setattr(self.statement, name, value)

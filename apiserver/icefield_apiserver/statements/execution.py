"""A statement that this process sees to, as it stands in memory, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.db.models import Statement
from icefield_apiserver.lineage.body import Seen

from .gateway import GatewayState
from .planning import Parsed


class StatementError(Exception):
    """The statement fails, for a reason that its caller reads.

    Args:
        code: an error class, such as TABLE_OR_VIEW_NOT_FOUND.
        message: what went wrong.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CancelledError(Exception):
    """The statement was cancelled before an engine had it."""


class LostError(Exception):
    """What became of the statement at the warehouse cannot be learned there any more.

    Args:
        why: the reason, as the beginning of a sentence.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Outcome:
    """How a statement ended.

    Attributes:
        state: what the gateway said; None where it ended without one.
    """

    status: str
    error_code: str | None = None
    error_message: str | None = None
    state: GatewayState | None = None
    rows_produced: int | None = None
    read: tuple[Seen, ...] = ()
    written: tuple[Seen, ...] = ()


class Execution:
    """One statement on its way.

    Args:
        statement: its record; what this process writes to the database, it writes here, too.
        parsed: what was parsed of it; None when it was adopted from another process.
        inline_rows: how many rows whoever waits wants at once.
    """

    def __init__(self, statement: Statement, parsed: Parsed | None, inline_rows: int = 0) -> None:
        self.statement = statement
        self.parsed = parsed
        self.inline_rows = inline_rows
        self.inline: bytes | None = None
        self.recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recording: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.stop = asyncio.Event()
        self.endpoint: str | None = None

    @property
    def gateway_id(self) -> str:
        """What the gateway knows the statement as; each time that it is begun anew, as another one."""
        attempts = self.statement.attempts
        return f"{self.statement.id}-{attempts}" if attempts else self.statement.id

    @property
    def is_recorded(self) -> bool:
        """Whether its record stands in the database."""
        return self.recorded.done() and not self.recorded.cancelled() and self.recorded.exception() is None

    @property
    def request(self) -> dict[str, Any]:
        """The request's fields, as they are stored."""
        return self.statement.request

    async def pause(self, seconds: float) -> None:
        """Wait for so long, unless the statement is cancelled meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()

    def unless_cancelled(self) -> None:
        """Go on.

        Raises:
            CancelledError: somebody wants it stopped.
        """
        if self.stop.is_set():
            raise CancelledError

    def change(self, values: dict[str, Any]) -> None:
        """Note in memory what the database was told."""
        for name, value in values.items():
            setattr(self.statement, name, value)

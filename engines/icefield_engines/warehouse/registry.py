"""The statements of one gateway: each id is started once, waits its turn, ends, and is remembered for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from icefield_crds.wire.gateway import StatementRequest

from .statement import Statement

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 600.0
REMEMBERED_STATEMENTS = 1000
REMEMBERED_INLINE_BYTES = 128 * 1024 * 1024
LOST_SECONDS = 3.0
"""How long engines get to stop the rest."""


class RefusedError(Exception):
    """No statement is started now."""


class Registry:
    """Starts statements, finds them, and ends them."""

    def __init__(
        self,
        run: Callable[[Statement], Coroutine[Any, Any, None]],
        max_unfinished: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without statements.

        Args:
            run: runs a statement to its end.
            max_unfinished: how many may run or wait at once.
            clock: monotonic seconds.
        """
        self._run = run
        self._max_unfinished = max_unfinished
        self._clock = clock
        self._unfinished: dict[str, Statement] = {}
        self._ended: OrderedDict[str, tuple[float, Statement]] = OrderedDict()
        self._ended_inline_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.last_activity = datetime.now(UTC)
        self.is_draining = False

    @property
    def running(self) -> int:
        """How many statements run or wait."""
        return len(self._unfinished)

    def start(self, statement_id: str, request: StatementRequest) -> Statement:
        """Return the statement with this id, started unless it was before.

        Raises:
            RefusedError: the gateway is draining, or too many statements wait.
        """
        if known := self.find(statement_id):
            return known
        if self.is_draining:
            raise RefusedError("This pod of the warehouse takes no new statements.")
        if len(self._unfinished) >= self._max_unfinished:
            raise RefusedError(f"{len(self._unfinished)} statements run or wait on this warehouse already.")
        statement = Statement(statement_id, request)
        self._unfinished[statement_id] = statement
        task = asyncio.create_task(self._run_to_end(statement), name=statement_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return statement

    def find(self, statement_id: str) -> Statement | None:
        """Return a statement that runs, waits, or ended recently."""
        if statement := self._unfinished.get(statement_id):
            return statement
        self._forget()
        ended = self._ended.get(statement_id)
        return ended[1] if ended else None

    def refuse_new(self) -> None:
        """Start no more statements; those that run or wait go on."""
        self.is_draining = True

    async def drain(self, seconds: float) -> None:
        """Start no more statements; wait up to `seconds` for those that run; then stop the rest."""
        self.refuse_new()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for statement in self._unfinished.values():
            statement.lose("The warehouse was shut down before the statement ended")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LOST_SECONDS)

    async def _run_to_end(self, statement: Statement) -> None:
        try:
            await self._run(statement)
        finally:
            self.last_activity = datetime.now(UTC)
            self._unfinished.pop(statement.id, None)
            self._ended[statement.id] = (self._clock(), statement)
            self._ended_inline_bytes += statement.inline_bytes
            self._forget()
            if statement.error:  # a line for each success costs as much as a small statement's own work
                log.info("%s on %s: %s %s", statement.id, statement.request.engine, statement.phase, statement.error[0])

    def _forget(self) -> None:
        oldest = self._clock() - REMEMBERED_SECONDS
        while self._ended:
            at, statement = next(iter(self._ended.values()))
            is_crowded = len(self._ended) > REMEMBERED_STATEMENTS or self._ended_inline_bytes > REMEMBERED_INLINE_BYTES
            if at > oldest and not is_crowded:
                return
            self._ended.popitem(last=False)
            self._ended_inline_bytes -= statement.inline_bytes

"""Runs this process's statements: one task and one lease each; and adopts those of processes that ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.errors import ApiError, QuotaExceeded, Unavailable
from icefield_apiserver.core.repeating import repeat

from .dependencies import ExecutionDependencies
from .execution import Execution, LostError
from .gateway import GatewayRefusalError, GatewaySilenceError, UnknownStatementError
from .janitor import Janitor
from .lifecycle import run_statement
from .models import Statement
from .openlineage import LineageEvents
from .planning import Parsed
from .record import LeaseLostError, accept
from .store import ACTIVE

log = logging.getLogger(__name__)

ADOPTED_AT_ONCE = 20
POLL_SECONDS = 2.0
"""How often requests to cancel, made through another process, are read while statements run."""
JANITOR_SECONDS = 60.0
NOT_ACCEPTED = "NOT_ACCEPTED"
_NOT_ACCEPTED_MESSAGE = "The server ended, or lost its database, before it accepted the statement; it was not run."


class Executor:
    """Runs statements.

    Args:
        deps: the dependencies of statement execution.
        janitor: deletes results.
        closing: set when the process is to stop.
        events: receives every start and end of a statement.
    """

    def __init__(
        self, deps: ExecutionDependencies, janitor: Janitor, closing: asyncio.Event, events: LineageEvents
    ) -> None:
        self._deps = deps
        self._janitor = janitor
        self._events = events
        self._executions: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self.owner = f"{socket.gethostname()[:40]}-{secrets.token_hex(8)}"
        self.closing = closing

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run statements for as long as the context lasts; what has not ended then is left to other processes."""
        settings = self._deps.settings
        self._loops = [
            asyncio.create_task(repeat(self._renew, min(POLL_SECONDS, settings.lease_seconds / 3))),
            asyncio.create_task(repeat(self._adopt, settings.lease_seconds / 4)),
            asyncio.create_task(repeat(self._janitor.sweep, JANITOR_SECONDS)),
        ]
        try:
            yield
        finally:
            self.closing.set()
            tasks = [*self._loops, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            try:
                await self._deps.repository.release(self.owner)
            except (SQLAlchemyError, OSError) as error:
                log.warning("leases are left to expire: %s", error)

    def lease(self) -> dict[str, Any]:
        """Return what makes a record this process's own."""
        until = now() + timedelta(seconds=self._deps.settings.lease_seconds)
        return {"owner": self.owner, "lease_until": until}

    def check_room(self, warehouse_uid: str) -> None:
        """Refuse one statement too many.

        Raises:
            QuotaExceeded: the warehouse has as many statements as it may have at once.
        """
        ceiling = self._deps.settings.max_per_warehouse
        current = sum(each.statement.warehouse_uid == warehouse_uid for each in self._executions.values())
        if current >= ceiling:
            raise QuotaExceeded(
                f"Too many statements wait on this warehouse: max_statements_per_warehouse={ceiling}, "
                f"current={current}.",
                retry_after=5,
            )

    def start(self, values: dict[str, Any], parsed: Parsed, inline_rows: int) -> Execution:
        """Start a new statement.

        Args:
            values: its record.
            parsed: its parse.
            inline_rows: how many rows of its result the caller receives directly.

        Raises:
            Unavailable: the process is about to end.
        """
        if self.closing.is_set():
            raise Unavailable
        execution = Execution(Statement(**values), parsed, inline_rows, values)
        self._run_in_background(execution)
        self._events.statement_started(execution.statement)
        return execution

    def find(self, statement_id: str) -> Execution | None:
        """Return a statement that this process runs."""
        return self._executions.get(statement_id)

    async def accept(self, execution: Execution) -> None:
        """Accept a statement, before its id is returned to the caller."""
        await accept(execution, self._deps)

    async def cancel(self, statement: Statement) -> None:
        """Stop a statement, whichever process runs it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
        """
        if statement.status not in ACTIVE:
            return
        await self._deps.repository.request_cancel(statement.id)
        if execution := self.find(statement.id):
            execution.stop.set()
        elif statement.is_dispatched:
            await self._cancel_elsewhere(Execution(statement, None))

    async def _cancel_elsewhere(self, execution: Execution) -> None:
        """Stop the engine of another process's statement; should that fail, its owner sees the request soon."""
        try:
            await self._deps.dispatcher.cancel(execution, await self._deps.dispatcher.locate(execution))
        except LostError:
            return  # its owner finds that out, too
        except (GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError) as error:
            log.info("statement %s is left to its owner to cancel: %r", execution.statement.id, error)

    def _run_in_background(self, execution: Execution) -> None:
        self._executions[execution.statement.id] = execution
        task = asyncio.create_task(self._run(execution), name=execution.statement.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, execution: Execution) -> None:
        statement = execution.statement
        try:
            await run_statement(execution, self._deps)
            self._events.statement_ended(statement)
        except LeaseLostError:
            log.warning("statement %s belongs to another process now", statement.id)
        except Exception:
            if execution.is_recorded:  # its lease expires, and the process that adopts it tries again
                log.exception("statement %s is given up by this process", statement.id)
        finally:
            if execution.recording:
                execution.recording.cancel()
            self._executions.pop(statement.id, None)
            execution.ended.set()

    async def _renew(self) -> None:
        """Renew the leases, and stop statements whose cancellation was requested."""
        recorded = {id_: each for id_, each in self._executions.items() if each.is_recorded}
        if not recorded:
            return
        mine = await self._deps.repository.renew(self.owner, list(recorded), self.lease()["lease_until"])
        for statement_id, is_cancelled in mine.items():
            recorded[statement_id].statement.is_accepted = True
            if is_cancelled:
                recorded[statement_id].stop.set()

    async def _adopt(self) -> None:
        """Adopt statements whose process let the lease expire, and end those that it never accepted."""
        if refused := await self._deps.repository.refuse_unaccepted(NOT_ACCEPTED, _NOT_ACCEPTED_MESSAGE):
            log.warning("%s statements were never accepted, and are not run", refused)
        until, running = self.lease()["lease_until"], list(self._executions)
        for statement in await self._deps.repository.adopt(self.owner, until, ADOPTED_AT_ONCE, running):
            if statement.id in self._executions:
                continue
            log.info("statement %s is adopted", statement.id)
            execution = Execution(statement, None)
            execution.recorded.set_result(None)
            if statement.cancel_requested:
                execution.stop.set()
            self._run_in_background(execution)

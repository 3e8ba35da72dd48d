"""Sees to this process's statements: one task each, a lease on each, and what other processes left behind."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.db.models import Statement, now
from icefield_apiserver.errors import ApiError, QuotaExceeded, Unavailable
from icefield_apiserver.lineage.events import LineageEvents

from . import flow
from .execution import Execution
from .gateway import GatewayRefusalError, GatewaySilenceError, UnknownStatementError
from .parts import Parts
from .planning import Parsed
from .record import LeaseLostError
from .repository import ACTIVE
from .results import ResultStore

log = logging.getLogger(__name__)

ADOPTED_AT_ONCE = 20
LOOK_SECONDS = 2.0
"""How often what was cancelled through another process is looked for, while there is anything to cancel."""
JANITOR_SECONDS = 60.0
EXPIRED_AT_ONCE = 200
LONGEST_DELAY_SECONDS = 60.0


class Executor:
    """Runs statements.

    Args:
        parts: what a statement's story is played with.
        results: where results are deleted.
        closing: set when the process is told to stop.
        events: told of every statement.
    """

    def __init__(self, parts: Parts, results: ResultStore, closing: asyncio.Event, events: LineageEvents) -> None:
        self._parts = parts
        self._results = results
        self._events = events
        self._executions: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self.owner = f"{socket.gethostname()[:40]}-{secrets.token_hex(8)}"
        self.closing = closing

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See to statements for as long as the context lasts; what has not ended then is left to other processes."""
        settings = self._parts.settings
        self._loops = [
            asyncio.create_task(_forever(self._renew, min(LOOK_SECONDS, settings.lease_seconds / 3))),
            asyncio.create_task(_forever(self._adopt, settings.lease_seconds / 4)),
            asyncio.create_task(_forever(self._sweep, JANITOR_SECONDS)),
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
                await self._parts.repository.release(self.owner)
            except (SQLAlchemyError, OSError) as error:
                log.warning("leases are left to run out: %s", error)

    def lease(self) -> dict[str, Any]:
        """Return what makes a record this process's own."""
        until = now() + timedelta(seconds=self._parts.settings.lease_seconds)
        return {"owner": self.owner, "lease_until": until}

    def check_room(self, warehouse_uid: str) -> None:
        """Refuse one statement too many.

        Raises:
            QuotaExceeded: as many of the warehouse's statements as may be have not ended.
        """
        ceiling = self._parts.settings.max_per_warehouse
        current = sum(each.statement.warehouse_uid == warehouse_uid for each in self._executions.values())
        if current >= ceiling:
            raise QuotaExceeded(
                f"Too many statements wait on this warehouse: max_statements_per_warehouse={ceiling}, "
                f"current={current}.",
                retry_after=5,
            )

    def begin(self, values: dict[str, Any], parsed: Parsed, inline_rows: int) -> Execution:
        """Take on a new statement.

        Args:
            values: its record.
            parsed: what was parsed of it.
            inline_rows: how many rows of its result are wanted at once.

        Raises:
            Unavailable: the process is about to end.
        """
        if self.closing.is_set():
            raise Unavailable
        execution = Execution(Statement(**values), parsed, inline_rows)
        self._see_to(execution, values)
        self._events.statement_started(execution.statement)
        return execution

    def find(self, statement_id: str) -> Execution | None:
        """Return a statement that this process sees to."""
        return self._executions.get(statement_id)

    async def cancel(self, statement: Statement) -> None:
        """Have a statement stopped, whichever process sees to it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
        """
        if statement.status not in ACTIVE:
            return
        await self._parts.repository.request_cancel(statement.id)
        if execution := self.find(statement.id):
            execution.stop.set()
        elif statement.is_dispatched:
            await self._cancel_elsewhere(Execution(statement, None))

    async def _cancel_elsewhere(self, execution: Execution) -> None:
        """Stop the engine of another process's statement; should that fail, its owner sees the request soon."""
        warehouse = self._parts.waker.now(execution)
        endpoint = warehouse.status.endpoint if warehouse and warehouse.status else None
        if endpoint is None:
            return
        try:
            await self._parts.follower.cancel(execution, endpoint)
        except (GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError) as error:
            log.info("statement %s is left to its owner to cancel: %r", execution.statement.id, error)

    def _see_to(self, execution: Execution, values: dict[str, Any] | None) -> None:
        self._executions[execution.statement.id] = execution
        task = asyncio.create_task(self._run(execution, values), name=execution.statement.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, execution: Execution, values: dict[str, Any] | None) -> None:
        statement = execution.statement
        try:
            await flow.run(execution, self._parts, values)
            self._events.statement_ended(statement)
        except LeaseLostError:
            log.warning("statement %s belongs to another process by now", statement.id)
        except Exception:
            if execution.is_recorded:  # its lease runs out, and whoever adopts it tries again
                log.exception("statement %s is given up here", statement.id)
        finally:
            if execution.recording:
                execution.recording.cancel()
            self._executions.pop(statement.id, None)
            execution.ended.set()

    async def _renew(self) -> None:
        """Renew the leases, and stop what is wanted stopped."""
        recorded = {id_: each for id_, each in self._executions.items() if each.is_recorded}
        if not recorded:
            return
        mine = await self._parts.repository.renew(self.owner, list(recorded), self.lease()["lease_until"])
        for statement_id, execution in recorded.items():
            if mine.get(statement_id):
                execution.stop.set()

    async def _adopt(self) -> None:
        """Take over what other processes left behind."""
        lease = self.lease()
        for statement in await self._parts.repository.adopt(self.owner, lease["lease_until"], ADOPTED_AT_ONCE):
            if statement.id in self._executions:
                continue
            log.info("statement %s is taken over", statement.id)
            execution = Execution(statement, None)
            execution.recorded.set_result(None)
            if statement.cancel_requested:
                execution.stop.set()
            self._see_to(execution, None)

    async def _sweep(self) -> None:
        """Delete results whose time is over; several processes may do so at once."""
        while expired := await self._parts.repository.expired(EXPIRED_AT_ONCE):
            for statement_id, key in expired:
                if key:
                    await self._results.delete(key)
                await self._parts.repository.forget_result(statement_id)


async def _forever(step: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
    """Take a step again and again; after failures ever more rarely."""
    delay = seconds
    while True:
        await asyncio.sleep(delay)
        try:
            await step()
            delay = seconds
        except (SQLAlchemyError, BotoCoreError, ClientError, OSError, TimeoutError) as error:
            delay = min(2 * delay, max(seconds, LONGEST_DELAY_SECONDS))
            log.warning("%s: %s: %s", step.__name__, type(error).__name__, error)
        except Exception:
            # Nothing may end the loop: statements without an owner would wait for ever.
            delay = min(2 * delay, max(seconds, LONGEST_DELAY_SECONDS))
            log.exception("%s failed", step.__name__)

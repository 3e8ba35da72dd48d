"""What is noted of a statement in the database on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import sqlalchemy.exc
from sqlalchemy.exc import InterfaceError, OperationalError

from icefield_apiserver.db.models import now
from icefield_apiserver.lineage import body

from .execution import Execution, Outcome
from .gateway import GatewayState
from .parts import Parts

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 90.0
"""How long the database may be away."""
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0


class LeaseLostError(Exception):
    """The statement belongs to another process by now: this one has no more to do with it."""


async def note_dispatched(execution: Execution, parts: Parts, *, is_dispatched: bool) -> None:
    """Note that a statement may be at its gateway from now on, or that it certainly is not.

    Raises:
        LeaseLostError: another process sees to it by now.
    """
    statement = execution.statement
    values = {"engine": statement.engine, "lineage": statement.lineage, "started_at": statement.started_at}
    await change(execution, parts, {"is_dispatched": is_dispatched, **values})


async def note_running(execution: Execution, parts: Parts) -> None:
    """Note that an engine runs a statement.

    Raises:
        LeaseLostError: another process sees to it by now.
    """
    statement = execution.statement
    values = {"engine": statement.engine, "lineage": statement.lineage, "started_at": statement.started_at}
    await change(execution, parts, {"status": "running", "is_dispatched": True, **values})


async def change(execution: Execution, parts: Parts, values: dict[str, Any]) -> None:
    """Change a statement's record, in the database and then in memory.

    Raises:
        LeaseLostError: another process sees to it by now.
        sqlalchemy.exc.SQLAlchemyError: the database is away for too long.
    """
    statement = execution.statement
    await execution.recorded
    if not await insist(lambda: parts.repository.change(statement.id, statement.owner, values)):
        raise LeaseLostError
    execution.change(values)


async def finish(execution: Execution, parts: Parts, outcome: Outcome) -> None:
    """Record how a statement ended.

    Raises:
        LeaseLostError: another process sees to it by now.
        sqlalchemy.exc.SQLAlchemyError: the database is away for too long.
    """
    statement, state, moment = execution.statement, outcome.state, now()
    is_success = outcome.status == "succeeded"
    has_result = is_success and state is not None and state.result is not None
    started = statement.started_at
    values: dict[str, Any] = {
        "status": outcome.status,
        "engine": statement.engine,
        "error_code": outcome.error_code[:128] if outcome.error_code else None,
        "error_message": _storable(outcome.error_message),
        "started_at": started,
        "finished_at": moment,
        "duration_ms": _duration(state, (moment - started) if started else None),
        "rows_produced": outcome.rows_produced if is_success else None,
        "truncated": bool(state and state.truncated),
        "result_schema": state.schema if is_success and state else None,
        "result": state.result if has_result and state else None,
        "expires_at": moment + timedelta(seconds=parts.settings.result_seconds) if has_result else None,
        "lineage": body.body(outcome.read, outcome.written),
    }
    edges = []
    if is_success:
        edges = parts.recorder.of_statement(
            statement.id, statement.workspace_uid, statement.run_uid, outcome.read, outcome.written
        )
    if not await insist(lambda: parts.repository.finish(statement.id, statement.owner, values, edges)):
        raise LeaseLostError
    execution.change(values)


def _duration(state: GatewayState | None, since: timedelta | None) -> float | None:
    if state and state.duration_ms is not None:
        return state.duration_ms
    return round(since.total_seconds() * 1000, 3) if since else None


def _storable(message: str | None) -> str | None:
    """Return a message as a database takes it: Postgres has no NUL in texts."""
    return message.replace("\0", "\ufffd") if message else message


async def insist(call: Callable[[], Awaitable[bool]]) -> bool:
    """Make a call to the database again while that is away.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it is away for too long, or refuses.
    """
    give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            return await call()
        except (OperationalError, InterfaceError, sqlalchemy.exc.TimeoutError, OSError) as error:
            if asyncio.get_running_loop().time() > give_up:
                raise
            log.warning("the database is away: %s", error)
        await asyncio.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)

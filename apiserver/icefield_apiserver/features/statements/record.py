"""The database record of a statement while it is executed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Delete, Executable, Update
from sqlalchemy.exc import InterfaceError, OperationalError

from icefield_apiserver.core.db.base import now
from icefield_apiserver.features.lineage.service import lineage_of
from icefield_crds.wire.gateway import StatementState

from . import copied_files
from .dependencies import ExecutionDependencies
from .execution import Execution, StatementOutcome
from .models import Statement
from .retrying import retried
from .table_states import BeforeWrite
from .write_lineage import WriteLineage, access_of

log = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 90.0
"""How long the database may be unavailable."""
FIRST_DELAY_SECONDS = 0.2
LATE_SECONDS = 0.05
"""A read that ends sooner, and may be recorded late, is recorded once."""
_UNAVAILABLE = (OperationalError, InterfaceError, sqlalchemy.exc.TimeoutError, OSError)


class LeaseLostError(Exception):
    """Another process owns the statement now."""


async def record_new(execution: Execution, deps: ExecutionDependencies) -> None:
    """Store the record of a new statement, unless it ends so soon that its end is recorded with it.

    Errors are raised where `execution.recorded` is awaited.
    """
    if execution.may_be_recorded_late:
        await asyncio.sleep(LATE_SECONDS)
    if record := execution.take_new_record():
        await _insert(execution, deps, record)


async def _insert(execution: Execution, deps: ExecutionDependencies, record: dict[str, Any]) -> None:
    try:
        await deps.repository.insert(record)
    except Exception as error:
        execution.recorded.set_exception(error)
        execution.stop.set()
    else:
        execution.recorded.set_result(None)


async def record_dispatched(
    execution: Execution, deps: ExecutionDependencies, before: BeforeWrite, lineage: WriteLineage
) -> None:
    """Record that a write may be at its gateway from now on, its tables as they are before, and what it reads.

    Raises:
        LeaseLostError: another process owns it now.
    """
    statement = execution.statement
    values = {"engine": statement.engine, "lineage": statement.lineage, "started_at": statement.started_at}
    sent = {"is_dispatched": True, "before_write": before.to_json(), "write_lineage": lineage.to_json()}
    await change(execution, deps, {**sent, **values})


async def record_refused(execution: Execution, deps: ExecutionDependencies) -> None:
    """Record that a write is certainly not at its gateway.

    Raises:
        LeaseLostError: another process owns it now.
    """
    await change(execution, deps, {"is_dispatched": False})


async def record_running(execution: Execution, deps: ExecutionDependencies) -> None:
    """Record that an engine runs a statement.

    Raises:
        LeaseLostError: another process owns it now.
    """
    statement = execution.statement
    values = {"engine": statement.engine, "lineage": statement.lineage, "started_at": statement.started_at}
    await change(execution, deps, {"status": "running", "is_dispatched": True, **values})


async def change(execution: Execution, deps: ExecutionDependencies, values: dict[str, Any]) -> None:
    """Change a statement's record, in the database and then in memory; one that is not stored yet in memory only.

    Raises:
        LeaseLostError: another process owns it now.
        sqlalchemy.exc.SQLAlchemyError: the database is unavailable for too long.
    """
    statement = execution.statement
    if execution.amend_new_record(values):
        return
    await execution.recorded
    if not await retry_database(lambda: deps.repository.change(statement.id, statement.owner, values)):
        raise LeaseLostError
    execution.change({**values, "is_accepted": True})


async def accept(execution: Execution, deps: ExecutionDependencies) -> None:
    """Accept a statement, before its id is returned: from now on another process runs it if this one ends.

    While the database is unavailable the id is returned all the same: should this process end meanwhile, the statement
    fails with the code NOT_ACCEPTED.
    """
    statement = execution.statement
    if statement.is_accepted or not execution.is_recorded:
        return
    try:
        statement.is_accepted = await deps.repository.accept(statement.id)
    except _UNAVAILABLE as error:
        log.warning("statement %s is not accepted yet: %s", statement.id, error)


async def finish(execution: Execution, deps: ExecutionDependencies, outcome: StatementOutcome) -> None:
    """Record how a statement ended; one that was not recorded before is stored with its end.

    Raises:
        DuplicateStatementError: its idempotency key has another statement.
        LeaseLostError: another process owns it now.
        sqlalchemy.exc.SQLAlchemyError: the database is unavailable for too long.
    """
    values = _final_values(execution.statement, deps, outcome)
    if execution.may_be_recorded_late and (record := execution.take_new_record()):
        await _insert(execution, deps, {**record, **values})
        await execution.recorded
    else:
        await execution.recorded
        await _update(execution, deps, values, outcome)
    execution.change(values)


def _final_values(statement: Statement, deps: ExecutionDependencies, outcome: StatementOutcome) -> dict[str, Any]:
    state, moment, started = outcome.state, now(), statement.started_at
    is_success = outcome.status == "succeeded"
    has_result = is_success and state is not None and state.result is not None
    return {
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
        "result": state.result.to_json() if state and state.result and is_success else None,
        "result_content": state.content if is_success and state else None,
        "expires_at": moment + timedelta(seconds=deps.settings.result_seconds) if has_result else None,
        "lineage": lineage_of(outcome.read, outcome.written, files=(statement.lineage or {}).get("read_files", ())),
    }


async def _update(
    execution: Execution, deps: ExecutionDependencies, values: dict[str, Any], outcome: StatementOutcome
) -> None:
    statement = execution.statement
    more: list[Executable] = [*_of_files(execution, outcome)]
    if outcome.status == "succeeded":
        more += deps.recorder.of_statement(access_of(statement, outcome.read, outcome.written, outcome.objects))
    if not await retry_database(lambda: deps.repository.finish(statement.id, statement.owner, values, more)):
        raise LeaseLostError


def _of_files(execution: Execution, outcome: StatementOutcome) -> list[Update | Delete]:
    """Return what becomes of the files that a COPY INTO claimed; while nobody knows, it keeps them."""
    statement = execution.statement
    if not execution.is_copy or outcome.error_code == copied_files.UNKNOWN:
        return []
    is_loaded = outcome.status == "succeeded"
    return [copied_files.loaded(statement.id) if is_loaded else copied_files.given_up(statement.id)]


def _duration(state: StatementState | None, since: timedelta | None) -> float | None:
    if state and state.duration_ms is not None:
        return state.duration_ms
    return round(since.total_seconds() * 1000, 3) if since else None


def _storable(message: str | None) -> str | None:
    """Return a message as a database takes it: Postgres has no NUL in texts."""
    return message.replace("\0", "\ufffd") if message else message


async def retry_database(call: Callable[[], Awaitable[bool]]) -> bool:
    """Make a call to the database, and retry it while the database is unavailable.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it is unavailable for too long, or refuses.
    """

    async def attempt() -> bool:
        try:
            return await call()
        except _UNAVAILABLE as error:
            log.warning("the database is unavailable: %s", error)
            raise

    return await retried(
        attempt,
        lambda error: isinstance(error, _UNAVAILABLE),
        first_delay=FIRST_DELAY_SECONDS,
        patience=DATABASE_RETRY_SECONDS,
    )

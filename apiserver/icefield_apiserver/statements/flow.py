"""The story of one statement: recorded, planned, handed to its warehouse, followed, and recorded again.

What may go wrong in between is decided by one question: can a write be applied twice? It is noted as dispatched before
it is sent and never sent again after that; what it did is read from the tables. A read is simply run again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.db.models import now
from icefield_apiserver.errors import ApiError
from icefield_apiserver.lineage import body
from icefield_apiserver.lineage.body import Seen
from icefield_apiserver.sql.errors import SqlError, UnresolvedName
from icefield_apiserver.sql.model import Compiled, Engine
from icefield_crds import Workspace
from icefield_crds.object_store import result_key

from .execution import CancelledError, Execution, LostError, Outcome, StatementError
from .gateway import GatewayRefusalError, GatewayState, GatewayStatement
from .parts import Parts, patiently
from .planning import Parsed, Request
from .record import LeaseLostError, change, finish, note_dispatched, note_running
from .settling import LOST, made_by, noted, settled, written_outcome

log = logging.getLogger(__name__)

INLINE_BYTES = 2 * 1024 * 1024
MAX_ATTEMPTS = 3
"""How often a read is begun before its warehouse counts as unable to run it."""
PLAN_GOOD_SECONDS = 5.0
"""How old a plan may be when it is handed over: the tables move on while a warehouse starts."""
REFUSED_DELAY_SECONDS = 0.5
SPARK_MAY_KNOW = frozenset(
    {
        "BINDER_ERROR",
        "CATALOG_ERROR",
        "NOT_IMPLEMENTED_ERROR",
        "OUT_OF_RANGE",
        "PARSER_ERROR",
        "STATEMENT_NOT_ALLOWED",
        "UNSUPPORTED_TYPE",
    }
)
"""What DuckDB says of a read that it cannot answer as it was translated: Spark, whose SQL it is, has the last word."""


async def run(execution: Execution, parts: Parts, values: dict[str, Any] | None) -> None:
    """Take a statement to its end, and record that.

    Args:
        execution: the statement.
        parts: what it takes.
        values: the record of a new statement; None of one that stands in the database.

    Raises:
        DuplicateStatementError, sqlalchemy.exc.SQLAlchemyError: a new statement could not be recorded; nothing was run.
        LeaseLostError: another process sees to it.
    """
    if values is not None:
        await _begun(execution, parts, values)
    try:
        outcome = await _outcome(execution, parts)
    except CancelledError:
        outcome = Outcome("cancelled", "CANCELLED", "The statement was cancelled.")
    except StatementError as error:
        outcome = Outcome("failed", error.code, error.message)
    except (LeaseLostError, SQLAlchemyError):
        raise
    except Exception:
        # Whoever adopted it would meet the same; a statement must end.
        log.exception("statement %s failed", execution.statement.id)
        outcome = Outcome("failed", "INTERNAL_ERROR", "Something went wrong in the platform; its log says what.")
    await execution.recorded
    await finish(execution, parts, outcome)


async def _begun(execution: Execution, parts: Parts, values: dict[str, Any]) -> None:
    """Store a new statement; of a read, while it is planned and run, for that can do no harm."""

    async def store() -> None:
        try:
            await parts.repository.insert(values)
        except Exception as error:  # whoever waits for the record is told
            execution.recorded.set_exception(error)
            execution.stop.set()
        else:
            execution.recorded.set_result(None)

    execution.recording = asyncio.create_task(store())
    if execution.statement.is_write:
        await execution.recorded


@dataclass(frozen=True)
class _Plan:
    compiled: Compiled
    made_at: float


async def _outcome(execution: Execution, parts: Parts) -> Outcome:
    """Run a statement, and as long as it only reads, run it again when it is lost."""
    if execution.statement.is_dispatched:
        try:
            return await _taken_up(execution, parts)
        except LostError as error:
            if execution.statement.is_write:
                return await settled(execution, parts, error.why)
            await _begin_anew(execution, parts, error.why)
    while True:
        try:
            return await _once(execution, parts)
        except LostError as error:
            if execution.statement.is_write:
                return await settled(execution, parts, error.why)
            await _begin_anew(execution, parts, error.why)


async def _taken_up(execution: Execution, parts: Parts) -> Outcome:
    """Follow a statement that another process handed over."""
    warehouse = parts.waker.now(execution)
    endpoint = warehouse.status.endpoint if warehouse and warehouse.status else None
    if endpoint is None:
        raise LostError("The warehouse was lost while the statement ran")
    execution.endpoint = endpoint
    state = await parts.follower.follow(execution, endpoint, None, _once_only(lambda: note_running(execution, parts)))
    return await _ended(execution, parts, state)


async def _once(execution: Execution, parts: Parts) -> Outcome:
    """Plan a statement, hand it over, and follow it to its end."""
    clock = asyncio.get_running_loop().time
    give_up = clock() + parts.settings.warehouse_start_seconds
    plan = await _plan(execution, parts)  # before the wait: what cannot run wakes no warehouse
    if not plan.compiled.sql:
        return Outcome("succeeded")
    while True:
        endpoint = await parts.waker.endpoint(execution)
        if clock() - plan.made_at > PLAN_GOOD_SECONDS:
            plan = await _plan(execution, parts)
        compiled = plan.compiled
        _note_lineage(execution, compiled)
        if compiled.is_write:
            await note_dispatched(execution, parts, is_dispatched=True)
        execution.endpoint = endpoint
        try:
            state = await parts.follower.begin(execution, endpoint, _for_gateway(execution, parts, compiled))
        except GatewayRefusalError as error:
            if compiled.is_write:
                await note_dispatched(execution, parts, is_dispatched=False)
            if clock() > give_up:
                raise StatementError("WAREHOUSE_UNAVAILABLE", f"The statement was not accepted: {error}.") from error
            await execution.pause(REFUSED_DELAY_SECONDS)
            continue
        running = _once_only(lambda: note_running(execution, parts))
        state = await parts.follower.follow(execution, endpoint, state, running)
        if moved := _moved_to_spark(execution, parts, compiled, state):
            execution.parsed = moved
            await _begin_anew(execution, parts, f"DuckDB cannot answer it ({state.error_code})")
            plan = await _plan(execution, parts)
            continue
        return await _ended(execution, parts, state)


def _moved_to_spark(execution: Execution, parts: Parts, compiled: Compiled, state: GatewayState) -> Parsed | None:
    """Return a read for Spark that DuckDB could not answer; None where it is not for Spark, or Spark is not there."""
    parsed, warehouse = execution.parsed, parts.waker.now(execution)
    if compiled.engine is not Engine.DUCKDB or state.error_code not in SPARK_MAY_KNOW:
        return None
    is_ready = warehouse is not None and warehouse.status is not None and warehouse.status.spark_ready
    return parsed.on_spark() if parsed and parsed.may_move_to_spark and is_ready else None


async def _ended(execution: Execution, parts: Parts, state: GatewayState) -> Outcome:
    """Return the outcome of what ended at the gateway.

    Raises:
        LostError: it ended because its engine was lost.
    """
    statement = execution.statement
    if state.status == "failed" and state.error_code == LOST:
        raise LostError((state.error_message or "The engine was lost").rstrip("."))
    execution.inline = state.inline
    read, written = noted(statement.lineage)
    is_success = state.status == "succeeded"
    if not written:
        rows = state.rows_produced if is_success else None
        return Outcome(state.status, state.error_code, state.error_message, state, rows, read=read)
    try:
        made = await made_by(execution, parts, statement.started_at if is_success else None)
    except ApiError as error:  # what is done is done all the same; only the snapshots stay unknown
        log.warning("what statement %s made cannot be looked up: %s", statement.id, error.sentence)
        made = []
    if is_success or made:  # an engine may fail, or be stopped, after the commit
        return written_outcome(execution, state if is_success else None, made)
    return Outcome(state.status, state.error_code, state.error_message, state, read=read)


async def _begin_anew(execution: Execution, parts: Parts, why: str) -> None:
    """Note that a read is begun anew.

    Raises:
        StatementError: it was often enough.
        CancelledError: nobody wants it any more.
    """
    execution.unless_cancelled()
    attempts = execution.statement.attempts + 1
    if attempts >= MAX_ATTEMPTS:
        raise StatementError(LOST, f"{why}, {attempts} times.")
    log.warning("statement %s is run again: %s", execution.statement.id, why)
    await change(
        execution, parts, {"attempts": attempts, "status": "pending", "is_dispatched": False, "started_at": None}
    )


async def _plan(execution: Execution, parts: Parts) -> _Plan:
    """Compile a statement against the tables as they are.

    Raises:
        StatementError: it cannot be.
    """
    statement = execution.statement
    workspace = parts.workspaces.get(statement.workspace)
    if workspace is None or workspace.metadata.uid != statement.workspace_uid:
        raise StatementError("WORKSPACE_DELETED", f"Workspace {statement.workspace} was deleted.")
    parsed = execution.parsed or await _parsed_again(execution, parts, workspace)
    execution.parsed = parsed
    made_at = asyncio.get_running_loop().time()
    try:
        return _Plan(await patiently(lambda: parts.planner.compile(parsed, workspace)), made_at)
    except UnresolvedName as error:
        raise StatementError(error.code, error.sentence) from error
    except SqlError as error:
        raise StatementError("UNSUPPORTED", error.sentence) from error


async def _parsed_again(execution: Execution, parts: Parts, workspace: Workspace) -> Parsed:
    statement = execution.statement
    request = Request(query=statement.query, dialect=statement.dialect, **statement.request)
    try:
        return await parts.planner.parse(request, workspace)
    except ApiError as error:  # it parsed once, with another version of this program
        raise StatementError("PARSE_ERROR", error.sentence) from error


def _for_gateway(execution: Execution, parts: Parts, compiled: Compiled) -> GatewayStatement:
    statement = execution.statement
    has_result = execution.parsed is None or execution.parsed.has_result
    return GatewayStatement(
        engine=compiled.engine.value,
        sql=compiled.sql,
        is_write=compiled.is_write,
        result_key=result_key(statement.workspace, statement.id) if has_result else None,
        row_limit=execution.request["row_limit"],
        inline_rows=execution.inline_rows,
        inline_bytes=INLINE_BYTES,
        timeout_seconds=parts.settings.timeout_seconds,
    )


def _note_lineage(execution: Execution, compiled: Compiled) -> None:
    catalog = execution.statement.workspace
    read = [(table.qualified(catalog), snapshot) for table, snapshot in compiled.read]
    written: list[Seen] = [(table.qualified(catalog), None) for table in compiled.written]
    execution.change({"engine": compiled.engine.value, "lineage": body.body(read, written), "started_at": now()})


def _once_only(call: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    is_done = False

    async def once() -> None:
        nonlocal is_done
        if not is_done:
            await call()
            is_done = True

    return once

"""The lifecycle of one statement: recorded, planned, sent to its warehouse, followed, and recorded again.

What may go wrong in between is decided by one question: can a write be applied twice? It is recorded as dispatched
before it is sent and never sent again after that; what it did is read from the tables. A read is simply run again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.features.lineage.service import TableAccess, lineage_of
from icefield_crds import WarehousePhase, Workspace
from icefield_crds.object_store import result_key
from icefield_crds.wire.appends import AppendTarget, BadRows
from icefield_crds.wire.exports import ExportTarget
from icefield_crds.wire.gateway import EngineName, StatementRequest, StatementState
from icefield_sql import Append, Compiled, Export, SqlError, UnresolvedName

from .ahead import SentAhead
from .copying import copied, plan_copy
from .dependencies import ExecutionDependencies, retry_catalog
from .execution import CancelledError, Execution, LostError, StatementError, StatementOutcome
from .files import StatementFiles, with_location
from .gateway import GatewayRefusalError, GatewaySilenceError, UnknownStatementError
from .moving import CRASH_SUSPECTED, may_move
from .planning import Parsed, Plan
from .record import (
    LeaseLostError,
    change,
    finish,
    record_dispatched,
    record_new,
    record_refused,
    record_running,
)
from .recovery import LOST, before_write, outcome_of_write, recorded_lineage, recover_write
from .requests import PlanRequest
from .store import DuplicateStatementError
from .waking import known_endpoint
from .write_lineage import WriteLineage

log = logging.getLogger(__name__)

INLINE_BYTES = 2 * 1024 * 1024
RECORDED_BYTES = 32 * 1024
"""A result up to this length is stored with its statement's record: an object of the store takes longer to write."""
MAX_ATTEMPTS = 3
"""How often a read is lost before its warehouse counts as unable to run it."""
PLAN_GOOD_SECONDS = 5.0
"""How old a plan may be when it is sent: the tables change while a warehouse starts."""
REFUSED_DELAY_SECONDS = 0.5
SPARK_UNAVAILABLE = "SPARK_UNAVAILABLE"


@dataclass(frozen=True)
class Sent:
    """A statement that was sent to a gateway.

    Attributes:
        endpoint: URL of the gateway.
        compiled: what was sent.
        state: its state after a moment; None when no answer has it.
    """

    endpoint: str
    compiled: Compiled
    state: StatementState | None


async def run_statement(execution: Execution, deps: ExecutionDependencies) -> None:
    """Run a statement to its end, and record that.

    A read is planned and run before it is recorded, and a write is planned, for that can do no harm.

    Args:
        execution: the statement.
        deps: the dependencies of statement execution.

    Raises:
        DuplicateStatementError, sqlalchemy.exc.SQLAlchemyError: a new statement could not be recorded; nothing was run.
        LeaseLostError: another process owns it.
    """
    execution.recording = asyncio.create_task(record_new(execution, deps))
    if execution.is_copy:  # its claims of files name its record
        await execution.recorded
    try:
        outcome = await _run_to_outcome(execution, deps)
    except CancelledError:
        outcome = StatementOutcome("cancelled", "CANCELLED", "The statement was cancelled.")
    except StatementError as error:
        outcome = StatementOutcome("failed", error.code, error.message)
    except (LeaseLostError, DuplicateStatementError, SQLAlchemyError):
        raise
    except Exception:
        # A process that adopted it would fail the same way; a statement must end.
        log.exception("statement %s failed", execution.statement.id)
        outcome = StatementOutcome("failed", "INTERNAL_ERROR", "An internal error occurred; see the platform's log.")
    await finish(execution, deps, outcome)


async def _run_to_outcome(execution: Execution, deps: ExecutionDependencies) -> StatementOutcome:
    """Run a statement; a read is run again as long as it is lost."""
    attempt = _resume if execution.statement.is_dispatched else _plan_and_dispatch
    while True:
        try:
            return await attempt(execution, deps)
        except LostError as error:
            if execution.statement.is_write:
                return await recover_write(execution, deps, error.why)
            await _start_again(execution, deps, error.why)
            attempt = _plan_and_dispatch


async def _resume(execution: Execution, deps: ExecutionDependencies) -> StatementOutcome:
    """Follow a statement that another process sent to its warehouse."""
    endpoint = await deps.dispatcher.locate(execution)
    execution.endpoint = endpoint
    running = _call_once(lambda: record_running(execution, deps))
    ended = await deps.dispatcher.follow(execution, endpoint, None, running)
    if await _move_to_spark(execution, deps, ended):
        return await _plan_and_dispatch(execution, deps)
    return await _outcome_of(execution, deps, ended)


async def _plan_and_dispatch(execution: Execution, deps: ExecutionDependencies) -> StatementOutcome:
    """Plan a statement, send it to its warehouse, and follow it to its end."""
    plan, sent = await _plan_and_send_ahead(execution, deps)
    if execution.statement.is_write:
        await execution.recorded
    if not plan.compiled.sql:
        return copied(execution, StatementOutcome("succeeded")) if execution.is_copy else StatementOutcome("succeeded")
    while True:
        sent = sent or await _send(execution, deps, plan)
        running = _call_once(lambda: record_running(execution, deps))
        ended = await deps.dispatcher.follow(execution, sent.endpoint, sent.state, running)
        if await _move_to_spark(execution, deps, ended):
            plan, sent = await _plan(execution, deps), None
            continue
        if execution.parsed:
            deps.recent_reads.observe(execution.parsed, sent.compiled, ended)
        return await _outcome_of(execution, deps, ended)


async def _plan_and_send_ahead(execution: Execution, deps: ExecutionDependencies) -> tuple[Plan, Sent | None]:
    """Plan a statement before its warehouse is waited for: one that cannot run wakes no warehouse.

    A repeated short read is sent meanwhile; that counts if the plan is as it was.
    """
    ahead = _send_ahead(execution, deps)
    try:
        plan = await _plan(execution, deps)
        if ahead is None:
            return plan, None
        if plan.compiled == ahead.compiled:
            with suppress(GatewayRefusalError):
                return plan, Sent(ahead.endpoint, plan.compiled, await ahead.submitted)
            return plan, None
    except Exception:
        if ahead:
            await _discard(execution, deps, ahead)
        raise
    await _discard(execution, deps, ahead)
    return plan, None


async def _discard(execution: Execution, deps: ExecutionDependencies, ahead: SentAhead) -> None:
    """Stop a read that was sent ahead, and forget that it ran; its id at the gateway is used up."""
    if execution.parsed:
        deps.recent_reads.forget(execution.parsed)
    with suppress(GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError):
        state = await ahead.submitted
        if state is None or not state.status.is_final:
            await deps.dispatcher.cancel(execution, ahead.endpoint)
    attempts = execution.statement.attempts + 1
    await change(execution, deps, {"attempts": attempts, "engine": None, "lineage": None, "started_at": None})


def _send_ahead(execution: Execution, deps: ExecutionDependencies) -> SentAhead | None:
    """Send a read as it was compiled when it ran last; None where it did not, or its warehouse does not run."""
    parsed, warehouse = execution.parsed, deps.waker.warehouse_of(execution)
    if parsed is None or parsed.plan or warehouse is None or warehouse.phase is not WarehousePhase.RUNNING:
        return None
    endpoint = known_endpoint(warehouse)
    compiled = deps.recent_reads.find(parsed)
    if endpoint is None or compiled is None or execution.statement.attempts or not execution.may_be_recorded_late:
        return None
    _set_lineage(execution, compiled)
    execution.note_engine_text(compiled.sql)
    execution.endpoint = endpoint
    submitting = deps.dispatcher.submit(execution, endpoint, _for_gateway(execution, deps, compiled))
    return SentAhead(endpoint, compiled, asyncio.create_task(submitting))


async def _send(execution: Execution, deps: ExecutionDependencies, plan: Plan) -> Sent:
    """Wake a statement's warehouse, and send the statement until it is accepted.

    Raises:
        StatementError: it is not accepted, or the warehouse does not start.
    """
    clock = asyncio.get_running_loop().time
    give_up = clock() + deps.settings.warehouse_start_seconds
    while True:
        endpoint = await deps.waker.endpoint(execution)
        if clock() - plan.made_at > PLAN_GOOD_SECONDS:
            plan = await _plan(execution, deps)
        try:
            state = await _dispatch(execution, deps, endpoint, plan.compiled)
        except GatewayRefusalError as error:
            if clock() > give_up:
                raise StatementError("WAREHOUSE_UNAVAILABLE", f"The statement was not accepted: {error}.") from error
            await execution.pause(REFUSED_DELAY_SECONDS)
        else:
            return Sent(endpoint, plan.compiled, state)


async def _dispatch(
    execution: Execution, deps: ExecutionDependencies, endpoint: str, compiled: Compiled
) -> StatementState | None:
    """Send a statement to its warehouse; return its state after a moment, None when no answer has it.

    Raises:
        GatewayRefusalError: nothing was started.
    """
    _set_lineage(execution, compiled)
    execution.note_engine_text(compiled.sql)
    if compiled.is_write:
        before = await before_write(execution, deps, compiled)
        await record_dispatched(execution, deps, before, _write_lineage(execution, compiled))
    execution.endpoint = endpoint
    try:
        return await deps.dispatcher.submit(execution, endpoint, _for_gateway(execution, deps, compiled))
    except GatewayRefusalError:
        if compiled.is_write:
            await record_refused(execution, deps)
        raise


async def _move_to_spark(execution: Execution, deps: ExecutionDependencies, state: StatementState) -> bool:
    """Have Spark run what DuckDB could not, and return True; False where it may not or need not.

    Spark may still be starting: the gateway keeps the statement pending until it is ready.

    Raises:
        StatementError: Spark cannot run it either.
        CancelledError: it was cancelled.
    """
    if state.engine is not EngineName.DUCKDB or not may_move(state, is_write=execution.statement.is_write):
        return False
    execution.check_cancelled()
    parsed = execution.parsed or await _parse_recorded(execution, deps)
    if not parsed.may_move_to_spark:
        return False
    log.info("statement %s moves to Spark: %s", execution.statement.id, state.error_code)
    execution.parsed, execution.refusal = parsed.on_spark(), state
    await _reset(execution, deps, EngineName.SPARK.value)
    return True


async def _outcome_of(execution: Execution, deps: ExecutionDependencies, state: StatementState) -> StatementOutcome:
    """Return the outcome of a statement that ended at the gateway.

    Raises:
        LostError: it ended because its engine was lost.
    """
    statement = execution.statement
    if state.status == "failed" and state.error_code in (LOST, CRASH_SUSPECTED):
        raise LostError((state.error_message or "The engine was lost").rstrip("."))
    if state.error_code == SPARK_UNAVAILABLE and (refusal := execution.refusal):
        said = (await execution.explain(refusal)).rstrip(".?")
        problem = f"{said}; Spark was asked instead: {state.error_message}"
        state = replace(state, error_code=refusal.error_code, error_message=problem)
    elif state.status == "failed":
        state = replace(state, error_message=await execution.explain(state))
    execution.inline = state.inline
    if statement.is_write:
        outcome = await outcome_of_write(execution, deps, state)
        return copied(execution, outcome) if execution.is_copy else outcome
    read, _ = recorded_lineage(statement.lineage)
    rows = state.rows_produced if state.status == "succeeded" else None
    return StatementOutcome(state.status.value, state.error_code, state.error_message, state, rows, read=read)


async def _start_again(execution: Execution, deps: ExecutionDependencies, why: str) -> None:
    """Record that a read that was lost is started again.

    Raises:
        StatementError: it was lost often enough.
        CancelledError: it was cancelled.
    """
    execution.check_cancelled()
    execution.losses += 1
    if execution.losses >= MAX_ATTEMPTS:
        raise StatementError(LOST, f"{why}, {execution.losses} times.")
    log.warning("statement %s is run again: %s", execution.statement.id, why)
    await _reset(execution, deps, None)


async def _reset(execution: Execution, deps: ExecutionDependencies, engine: str | None) -> None:
    """Record that a statement waits for an engine again, under another id at the gateway."""
    attempts = execution.statement.attempts + 1
    values = {"attempts": attempts, "status": "pending", "engine": engine, "is_dispatched": False, "started_at": None}
    await change(execution, deps, values)


async def _plan(execution: Execution, deps: ExecutionDependencies) -> Plan:
    """Compile a statement against the tables as they are now; a plan that came with it is used while it is fresh.

    Raises:
        StatementError: it cannot be compiled.
    """
    workspace = _workspace_of(execution, deps)
    parsed = execution.parsed or await _parse_recorded(execution, deps)
    execution.parsed = parsed
    made_at = asyncio.get_running_loop().time()
    if parsed.plan and made_at - parsed.plan.made_at <= PLAN_GOOD_SECONDS:
        return parsed.plan
    try:
        if copy := parsed.statement.copy_into:
            return Plan(await retry_catalog(lambda: plan_copy(execution, deps, copy)), made_at)
        files = StatementFiles(execution, deps)
        compiled = await retry_catalog(lambda: deps.planner.compile(parsed, workspace, files))
        return Plan(await with_location(execution, deps, compiled), made_at)
    except UnresolvedName as error:
        raise StatementError(error.code, error.sentence) from error
    except SqlError as error:
        raise StatementError("UNSUPPORTED", error.sentence) from error


def _workspace_of(execution: Execution, deps: ExecutionDependencies) -> Workspace:
    statement = execution.statement
    workspace = deps.workspaces.get(statement.workspace)
    if workspace is None or workspace.metadata.uid != statement.workspace_uid:
        raise StatementError("WORKSPACE_DELETED", f"Workspace {statement.workspace} was deleted.")
    return workspace


async def _parse_recorded(execution: Execution, deps: ExecutionDependencies) -> Parsed:
    """Parse a statement that another process accepted."""
    statement, workspace = execution.statement, _workspace_of(execution, deps)
    request = PlanRequest(query=statement.query, dialect=statement.dialect, **statement.request)
    try:
        return await deps.planner.parse(request, workspace)
    except ApiError as error:  # it was accepted by another version of this program
        raise StatementError("PARSE_ERROR", error.sentence) from error


def _for_gateway(execution: Execution, deps: ExecutionDependencies, compiled: Compiled) -> StatementRequest:
    statement = execution.statement
    has_result = execution.parsed is None or execution.parsed.has_result
    return StatementRequest(
        engine=EngineName(compiled.engine.value),
        sql=compiled.sql,
        is_write=compiled.is_write,
        result_key=result_key(statement.workspace, statement.id) if has_result else None,
        row_limit=execution.request["row_limit"],
        inline_rows=execution.inline_rows,
        inline_bytes=INLINE_BYTES,
        content_bytes=RECORDED_BYTES,
        timeout_seconds=deps.settings.timeout_seconds,
        append=_append_target(compiled.append) if compiled.append else None,
        is_bulk=bool(compiled.append and compiled.files),
        literals=compiled.literals,
        signature=statement.id,
        export=_export_target(compiled.export) if compiled.export else None,
        bad_rows=BadRows(compiled.bad_rows.limit, compiled.bad_rows.location or None) if compiled.bad_rows else None,
    )


def _export_target(export: Export) -> ExportTarget:
    return ExportTarget(export.location, export.format, export.options)


def _append_target(append: Append) -> AppendTarget:
    table = append.table
    return AppendTarget(
        table.namespace, table.name, append.uuid, append.schema_id, append.spec_id, append.metadata_location
    )


def _write_lineage(execution: Execution, compiled: Compiled) -> WriteLineage:
    if execution.parsed is None:
        return WriteLineage()
    seen_at = now() - timedelta(seconds=PLAN_GOOD_SECONDS)
    return WriteLineage.of(compiled, execution.parsed.statement, execution.statement.workspace_uid, seen_at)


def _set_lineage(execution: Execution, compiled: Compiled) -> None:
    catalog = execution.statement.workspace
    read = [(table.qualified(catalog), snapshot) for table, snapshot in compiled.read]
    written: list[TableAccess] = [(table.qualified(catalog), None) for table in compiled.written]
    lineage = lineage_of(read, written, files=compiled.files)
    execution.change({"engine": compiled.engine.value, "lineage": lineage, "started_at": now()})


def _call_once(call: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    is_done = False

    async def once() -> None:
        nonlocal is_done
        if not is_done:
            await call()
            is_done = True

    return once

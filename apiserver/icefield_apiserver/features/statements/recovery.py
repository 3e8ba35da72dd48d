"""The outcome of a write, read from the tables that it wrote."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog import IcebergCatalog
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.features.lineage.service import TableAccess, accesses_in
from icefield_crds.wire.appends import Appended
from icefield_crds.wire.gateway import StatementState
from icefield_sql import Compiled, TableName

from .dependencies import ExecutionDependencies, retry_catalog
from .execution import Execution, StatementError, StatementOutcome
from .judgement import Found, Judgement, Verdict, judge
from .models import Statement
from .snapshots import WrittenSnapshot, written_snapshot
from .table_states import BeforeWrite, TableState, load_all
from .write_lineage import WrittenObject, unchecked_objects, written_objects

log = logging.getLogger(__name__)

LOST = "ENGINE_LOST"
UNKNOWN = "OUTCOME_UNKNOWN"
"""The error code of a write that may have been applied."""
POLL_SECONDS = 1.0
_STOPPED = frozenset({"CANCELLED", "TIMED_OUT"})
"""The error codes of statements that were stopped from outside, at any point of their work."""


@dataclass(frozen=True)
class Findings:
    """What the tables of a write show."""

    judgement: Judgement
    snapshots: list[WrittenSnapshot]
    objects: tuple[WrittenObject, ...]


async def before_write(execution: Execution, deps: ExecutionDependencies, compiled: Compiled) -> BeforeWrite:
    """Return what is recorded of a write before it is sent.

    Raises:
        StatementError: the catalog is unavailable.
    """
    catalog = deps.catalogs.of(execution.statement.workspace)
    found = _as_planned(catalog, compiled)
    if found is None:
        found = await retry_catalog(lambda: load_all(catalog, compiled.written))
    command = execution.parsed.statement.command if execution.parsed else ""
    return BeforeWrite(command, {name: TableState.of(each) if each else None for name, each in found.items()})


def _as_planned(catalog: IcebergCatalog, compiled: Compiled) -> dict[TableName, Found] | None:
    """Return the table that rows are appended to, as the statement was planned with it, if it is still known.

    That will do for an append, whose snapshot names it whatever else was committed since.
    """
    append = compiled.append
    known = catalog.last_loaded(append.table.namespace, append.table.name) if append else None
    if append is None or known is None or known.metadata_location != append.metadata_location:
        return None
    return {append.table: known}


def write_outcome(execution: Execution, state: StatementState | None, findings: Findings) -> StatementOutcome:
    """Return the outcome of a write that was applied.

    Args:
        execution: the statement.
        state: its final state at the gateway; None where that is unknown.
        findings: what its tables show.
    """
    catalog = execution.statement.workspace
    read, written = recorded_lineage(execution.statement.lineage)
    ids = {each.table.qualified(catalog): each.snapshot_id for each in findings.snapshots}
    added = [each.rows for each in findings.snapshots if each.rows is not None]
    rows = state.rows_produced if state else None
    return StatementOutcome(
        "succeeded",
        state=state,
        rows_produced=sum(added) if rows is None and added else rows,
        read=read,
        written=tuple((name, ids.get(name)) for name, _ in written),
        objects=findings.objects,
    )


async def recover_write(execution: Execution, deps: ExecutionDependencies, why: str) -> StatementOutcome:
    """Read from the tables whether a lost write was applied; an engine's last commit may arrive late."""
    give_up = asyncio.get_running_loop().time() + deps.settings.settling_seconds
    _, written = recorded_lineage(execution.statement.lineage)
    while True:
        try:
            findings = await retry_catalog(lambda: examine(execution, deps, is_success=False))
        except StatementError:
            judgement = Judgement(Verdict.UNKNOWN, "its tables cannot be read")
            break
        judgement = findings.judgement
        if judgement.verdict is Verdict.APPLIED:
            return write_outcome(execution, None, findings)
        if not written or asyncio.get_running_loop().time() > give_up:
            break
        await asyncio.sleep(POLL_SECONDS)
    read, _ = recorded_lineage(execution.statement.lineage)
    if judgement.verdict is Verdict.NOT_APPLIED:
        message = f"{why}; its tables show no change by it, and it was not run again."
        return StatementOutcome("failed", LOST, message, read=read)
    return StatementOutcome("failed", UNKNOWN, f"{why}; {unknown_because(judgement)}", read=read)


async def outcome_of_write(
    execution: Execution, deps: ExecutionDependencies, state: StatementState
) -> StatementOutcome:
    """Return the outcome of a write that ended at the gateway; an engine may fail, or be stopped, after the commit.

    What failed by itself was not applied, unless a snapshot names it; of what was stopped that is not certain.
    """
    is_success = state.status == "succeeded"
    read, written = recorded_lineage(execution.statement.lineage)
    if state.appended:
        return write_outcome(execution, state, _findings_of(state.appended, execution.statement, written[0][0]))
    try:
        findings = await examine(execution, deps, is_success=is_success)
    except ApiError as error:
        log.warning("the tables of statement %s cannot be read: %s", execution.statement.id, error.sentence)
        objects = unchecked_objects(_before(execution.statement), execution.statement.workspace)
        findings = Findings(Judgement(Verdict.UNKNOWN, "its tables cannot be read"), [], objects)
    is_stopped, verdict, message = state.error_code in _STOPPED, findings.judgement.verdict, state.error_message
    if is_success or findings.snapshots or (is_stopped and verdict is Verdict.APPLIED):
        return write_outcome(execution, state if is_success else None, findings)
    if is_stopped and verdict is Verdict.UNKNOWN:
        message = f"{(message or 'It was stopped').rstrip('.')}; {unknown_because(findings.judgement)}"
    return StatementOutcome(state.status.value, state.error_code, message, state, read=read)


async def examine(execution: Execution, deps: ExecutionDependencies, *, is_success: bool) -> Findings:
    """Read what the tables of a write show now.

    Raises:
        ApiError: the catalog is unavailable.
    """
    statement = execution.statement
    before = _before(statement)
    _, written = recorded_lineage(statement.lineage)
    names = [_table(name, statement.workspace) for name, _ in written]
    after = await load_all(deps.catalogs.of(statement.workspace), names)
    found = (_own_snapshot(statement.id, name, each, before if is_success else None) for name, each in after.items())
    objects = written_objects(before, after, statement.workspace)
    return Findings(judge(statement.id, before, after), [snapshot for snapshot in found if snapshot], objects)


def _findings_of(appended: Appended, statement: Statement, table: str) -> Findings:
    """Return what is known of an append that was answered; its table is the one that it was planned with."""
    snapshot = WrittenSnapshot(_table(table, statement.workspace), appended.snapshot_id, appended.rows)
    objects = unchecked_objects(_before(statement), statement.workspace)
    return Findings(Judgement(Verdict.APPLIED), [snapshot], objects)


def unknown_because(judgement: Judgement) -> str:
    """Return the second half of the message of a write that may have been applied."""
    return f"whether it was applied is unknown, because {judgement.reason}; check before you run it again."


def recorded_lineage(lineage: dict[str, Any] | None) -> tuple[tuple[TableAccess, ...], tuple[TableAccess, ...]]:
    """Return (read, written) of a record's lineage."""
    return accesses_in(lineage or {}, "read"), accesses_in(lineage or {}, "written")


def _before(statement: Statement) -> BeforeWrite | None:
    return BeforeWrite.from_json(statement.before_write) if statement.before_write else None


def _own_snapshot(
    statement_id: str, name: TableName, found: Found, succeeded: BeforeWrite | None
) -> WrittenSnapshot | None:
    if found is None:
        return None
    state = succeeded.tables.get(name) if succeeded else None
    return written_snapshot(name, found.metadata, statement_id, state.sequence_number if state else None)


def _table(name: str, catalog: str) -> TableName:
    *namespace, table = name.removeprefix(f"{catalog}.").split(".")
    return TableName(tuple(namespace), table)

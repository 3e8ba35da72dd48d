"""The outcome of a write, read from the tables that it wrote."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from icefield_apiserver.features.lineage.service import TableAccess, accesses_in
from icefield_crds.wire.gateway import StatementState
from icefield_sql import TableName

from .dependencies import ExecutionDependencies, retry_catalog
from .execution import Execution, StatementError, StatementOutcome
from .snapshots import WrittenSnapshot, find_written_snapshots

LOST = "ENGINE_LOST"
POLL_SECONDS = 1.0


def write_outcome(
    execution: Execution, state: StatementState | None, snapshots: list[WrittenSnapshot]
) -> StatementOutcome:
    """Return the outcome of a write that was applied.

    Args:
        execution: the statement.
        state: its final state at the gateway; None where that is unknown.
        snapshots: those that it committed.
    """
    catalog = execution.statement.workspace
    read, written = recorded_lineage(execution.statement.lineage)
    ids = {each.table.qualified(catalog): each.snapshot_id for each in snapshots}
    added = [each.rows for each in snapshots if each.rows is not None]
    rows = state.rows_produced if state else None
    return StatementOutcome(
        "succeeded",
        state=state,
        rows_produced=sum(added) if rows is None and added else rows,
        read=read,
        written=tuple((name, ids.get(name)) for name, _ in written),
    )


async def recover_write(execution: Execution, deps: ExecutionDependencies, why: str) -> StatementOutcome:
    """Read from the tables whether a lost write was applied; an engine's last commit may arrive late."""
    give_up = asyncio.get_running_loop().time() + deps.settings.settling_seconds
    while True:
        try:
            snapshots = await retry_catalog(lambda: find_own_snapshots(execution, deps))
        except StatementError:
            finding = "its tables cannot be read"
            break
        if snapshots:
            return write_outcome(execution, None, snapshots)
        if asyncio.get_running_loop().time() > give_up:
            finding = "its tables show no change by it"
            break
        await asyncio.sleep(POLL_SECONDS)
    read, _ = recorded_lineage(execution.statement.lineage)
    return StatementOutcome("failed", LOST, f"{why}; {finding}, and it was not run again.", read=read)


async def find_own_snapshots(
    execution: Execution, deps: ExecutionDependencies, since: datetime | None = None
) -> list[WrittenSnapshot]:
    """Return the snapshots that a write committed.

    Args:
        execution: the write.
        deps: the dependencies of statement execution.
        since: when it started, where it is known to have succeeded.
    """
    catalog = execution.statement.workspace
    _, written = recorded_lineage(execution.statement.lineage)
    tables = [_table(name, catalog) for name, _ in written]
    return await find_written_snapshots(deps.catalogs.of(catalog), execution.statement.id, tables, since)


def recorded_lineage(lineage: dict[str, Any] | None) -> tuple[tuple[TableAccess, ...], tuple[TableAccess, ...]]:
    """Return (read, written) of a record's lineage."""
    return accesses_in(lineage or {}, "read"), accesses_in(lineage or {}, "written")


def _table(name: str, catalog: str) -> TableName:
    *namespace, table = name.removeprefix(f"{catalog}.").split(".")
    return TableName(tuple(namespace), table)

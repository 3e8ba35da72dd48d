"""What a write did, read from the tables that it wrote."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from icefield_apiserver.lineage import body
from icefield_apiserver.lineage.body import Seen
from icefield_apiserver.sql.names import TableName

from .execution import Execution, Outcome, StatementError
from .gateway import GatewayState
from .made import Made, snapshots_made
from .parts import Parts, patiently

LOST = "ENGINE_LOST"


def written_outcome(execution: Execution, state: GatewayState | None, made: list[Made]) -> Outcome:
    """Return the outcome of a write that was applied.

    Args:
        execution: the statement.
        state: what the gateway said; None where it could not say.
        made: the snapshots found.
    """
    catalog = execution.statement.workspace
    read, written = noted(execution.statement.lineage)
    snapshots = {each.table.qualified(catalog): each.snapshot_id for each in made}
    added = [each.rows for each in made if each.rows is not None]
    rows = state.rows_produced if state else None
    return Outcome(
        "succeeded",
        state=state,
        rows_produced=sum(added) if rows is None and added else rows,
        read=read,
        written=tuple((name, snapshots.get(name)) for name, _ in written),
    )


async def settled(execution: Execution, parts: Parts, why: str) -> Outcome:
    """Read from the tables whether a lost write was applied; an engine's last commit may be on its way for a while."""
    give_up = asyncio.get_running_loop().time() + parts.settings.settling_seconds
    unknown = False
    while True:
        try:
            if made := await patiently(lambda: made_by(execution, parts)):
                return written_outcome(execution, None, made)
        except StatementError:
            unknown = True
        if unknown or asyncio.get_running_loop().time() > give_up:
            break
        await asyncio.sleep(1.0)
    read, _ = noted(execution.statement.lineage)
    said = "its tables cannot be asked" if unknown else "its tables show no change by it"
    return Outcome("failed", LOST, f"{why}; {said}, and it was not run again.", read=read)


async def made_by(execution: Execution, parts: Parts, since: datetime | None = None) -> list[Made]:
    """Return the snapshots that a write made.

    Args:
        execution: the write.
        parts: what it takes.
        since: when it began, where it is known to have succeeded.
    """
    catalog = execution.statement.workspace
    _, written = noted(execution.statement.lineage)
    tables = [_table(name, catalog) for name, _ in written]
    return await snapshots_made(parts.catalogs.of(catalog), execution.statement.id, tables, since)


def noted(lineage: dict[str, Any] | None) -> tuple[tuple[Seen, ...], tuple[Seen, ...]]:
    """Return (read, written) of a record's lineage."""
    return body.seen(lineage or {}, "read"), body.seen(lineage or {}, "written")


def _table(name: str, catalog: str) -> TableName:
    *namespace, table = name.removeprefix(f"{catalog}.").split(".")
    return TableName(tuple(namespace), table)

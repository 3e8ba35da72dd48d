"""The snapshots that a write made: each carries the statement's id in its summary.

Spark writes it there (`spark.sql.iceberg.snapshot-property.icefield.statement-id`, set by the gateway), so what a write
has done can be told from the tables themselves, whatever became of the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from icefield_apiserver.catalog import IcebergCatalog
from icefield_apiserver.errors import NotFound
from icefield_apiserver.sql.names import TableName

PROPERTY = "icefield.statement-id"


@dataclass(frozen=True)
class Made:
    """A snapshot that a statement made.

    Attributes:
        rows: how many rows it added; None where that is not what it did.
    """

    table: TableName
    snapshot_id: int
    rows: int | None


async def snapshots_made(
    catalog: IcebergCatalog, statement_id: str, written: Sequence[TableName], since: datetime | None = None
) -> list[Made]:
    """Return the snapshots that a statement made in the tables that it writes, the newest of each table.

    Args:
        catalog: the workspace's.
        statement_id: the statement.
        written: the tables.
        since: when it began, where it is known to have succeeded: a delete of whole files, into whose summary Iceberg
            writes no properties, is then told by its time.

    Raises:
        ApiError: the catalog is away.
    """
    found = await asyncio.gather(*(_made(catalog, statement_id, table, since) for table in written))
    return [made for made in found if made]


async def _made(catalog: IcebergCatalog, statement_id: str, table: TableName, since: datetime | None) -> Made | None:
    try:
        loaded = await catalog.load_table(table.namespace, table.name)
    except NotFound:
        return None
    snapshots = loaded.metadata.get("snapshots") or ()
    made = [snapshot for snapshot in snapshots if (snapshot.get("summary") or {}).get(PROPERTY) == statement_id]
    if not made and since is not None:
        made = [snapshot for snapshot in snapshots if _is_bare_delete(snapshot, since)]
    if not made:
        return None
    newest = max(made, key=lambda snapshot: int(snapshot.get("sequence-number") or 0))
    summary = newest.get("summary") or {}
    rows = int(summary.get("added-records", 0)) if summary.get("operation") == "append" else None
    return Made(table, int(newest["snapshot-id"]), rows)


def _is_bare_delete(snapshot: Mapping[str, Any], since: datetime) -> bool:
    summary = snapshot.get("summary") or {}
    made_at = int(snapshot.get("timestamp-ms") or 0)
    return summary.get("operation") == "delete" and PROPERTY not in summary and made_at >= since.timestamp() * 1000

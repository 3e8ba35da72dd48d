"""The snapshots that a write committed: each carries the statement's id in its summary.

Spark writes it there (`spark.sql.iceberg.snapshot-property.icefield.statement-id`, set by the gateway), so the tables
themselves show what a write did, even when the engine was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from icefield_apiserver.core.catalog import IcebergCatalog
from icefield_apiserver.core.errors import NotFound
from icefield_sql import TableName

PROPERTY = "icefield.statement-id"


@dataclass(frozen=True)
class WrittenSnapshot:
    """A snapshot that a statement committed.

    Attributes:
        rows: how many rows it added; None where that is not what it did.
    """

    table: TableName
    snapshot_id: int
    rows: int | None


async def find_written_snapshots(
    catalog: IcebergCatalog, statement_id: str, written: Sequence[TableName], since: datetime | None = None
) -> list[WrittenSnapshot]:
    """Return the snapshots that a statement committed in the tables that it writes, the newest of each table.

    Args:
        catalog: the workspace's.
        statement_id: the statement.
        written: the tables.
        since: when it started, where it is known to have succeeded: a delete of whole files, into whose summary Iceberg
            writes no properties, is then recognized by its time.

    Raises:
        ApiError: the catalog is unavailable.
    """
    found = await asyncio.gather(*(_find(catalog, statement_id, table, since) for table in written))
    return [snapshot for snapshot in found if snapshot]


async def _find(
    catalog: IcebergCatalog, statement_id: str, table: TableName, since: datetime | None
) -> WrittenSnapshot | None:
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
    return WrittenSnapshot(table, int(newest["snapshot-id"]), rows)


def _is_bare_delete(snapshot: Mapping[str, Any], since: datetime) -> bool:
    summary = snapshot.get("summary") or {}
    made_at = int(snapshot.get("timestamp-ms") or 0)
    return summary.get("operation") == "delete" and PROPERTY not in summary and made_at >= since.timestamp() * 1000

"""The snapshots that a write made: each carries the statement's id in its summary.

Spark writes it there (`spark.sql.iceberg.snapshot-property.icefield.statement-id`, set by the gateway), so what a write
has done can be told from the tables themselves, whatever became of the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

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


async def snapshots_made(catalog: IcebergCatalog, statement_id: str, written: Sequence[TableName]) -> list[Made]:
    """Return the snapshots that a statement made in the tables that it writes, the newest of each table.

    Raises:
        ApiError: the catalog is away.
    """
    found = await asyncio.gather(*(_made(catalog, statement_id, table) for table in written))
    return [made for made in found if made]


async def _made(catalog: IcebergCatalog, statement_id: str, table: TableName) -> Made | None:
    try:
        loaded = await catalog.load_table(table.namespace, table.name)
    except NotFound:
        return None
    snapshots = loaded.metadata.get("snapshots") or ()
    made = [snapshot for snapshot in snapshots if (snapshot.get("summary") or {}).get(PROPERTY) == statement_id]
    if not made:
        return None
    newest = max(made, key=lambda snapshot: int(snapshot.get("sequence-number") or 0))
    summary = newest.get("summary") or {}
    rows = int(summary.get("added-records", 0)) if summary.get("operation") == "append" else None
    return Made(table, int(newest["snapshot-id"]), rows)

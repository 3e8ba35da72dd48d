"""The snapshots that a write committed: each carries the statement's id in its summary.

Spark writes it there (`spark.sql.iceberg.snapshot-property.icefield.statement-id`, set by the gateway), so the tables
themselves show what a write did, even when the engine was lost. A delete of whole files is the exception: Iceberg
writes no such property into its summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from icefield_sql import TableName

PROPERTY = "icefield.statement-id"
OF_PLATFORM = "icefield."
"""What the properties begin with that name a statement or a run."""


@dataclass(frozen=True)
class WrittenSnapshot:
    """A snapshot that a statement committed.

    Attributes:
        rows: how many rows it added; None where that is not what it did.
    """

    table: TableName
    snapshot_id: int
    rows: int | None


def snapshots_of(metadata: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the snapshots in a table's metadata."""
    return metadata.get("snapshots") or ()


def made_after(metadata: Mapping[str, Any], sequence_number: int | None) -> list[Mapping[str, Any]] | None:
    """Return the snapshots made after the one with this sequence number.

    None where that is unknown: some have expired, or the table does not number them (format version 1).
    """
    if sequence_number is None:
        return None
    made = [each for each in snapshots_of(metadata) if int(each.get("sequence-number") or 0) > sequence_number]
    expected = int(metadata.get("last-sequence-number") or 0) - sequence_number
    return made if len(made) == expected else None


def is_bare_delete(snapshot: Mapping[str, Any]) -> bool:
    """Return whether a snapshot deletes whole files, and names neither a statement nor a run."""
    summary: Mapping[str, Any] = snapshot.get("summary") or {}
    is_named = any(key.startswith(OF_PLATFORM) for key in summary)
    return summary.get("operation") == "delete" and not is_named


def written_snapshot(
    table: TableName, metadata: Mapping[str, Any], statement_id: str, bare_after: int | None
) -> WrittenSnapshot | None:
    """Return the newest snapshot that a statement committed in a table; None where none is known to be its own.

    Args:
        table: its name.
        metadata: its metadata.
        statement_id: the statement.
        bare_after: where the statement is known to have succeeded, the table's sequence number before it: the only
            delete of whole files since is then its own. None otherwise.
    """
    own = [each for each in snapshots_of(metadata) if (each.get("summary") or {}).get(PROPERTY) == statement_id]
    if not own:
        bare = [each for each in made_after(metadata, bare_after) or () if is_bare_delete(each)]
        own = bare if len(bare) == 1 else []
    if not own:
        return None
    newest = max(own, key=lambda snapshot: int(snapshot.get("sequence-number") or 0))
    summary = newest.get("summary") or {}
    rows = int(summary.get("added-records", 0)) if summary.get("operation") == "append" else None
    return WrittenSnapshot(table, int(newest["snapshot-id"]), rows)

"""Whether a write whose engine was lost was applied, judged from its tables before and after. Pure.

Spark writes the statement's id into the summary of every snapshot that an INSERT, UPDATE or MERGE commits, and of a
DELETE that rewrites files. What deletes whole files only, and what changes no data (DDL), names nobody. Then a table in
which nothing changed that the statement changes shows that it was not applied; one in which something did shows
nothing, for another client may have done it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from icefield_apiserver.core.catalog import LoadedTable, LoadedView
from icefield_sql import TableName

from .snapshots import PROPERTY, is_bare_delete, made_after, snapshots_of
from .table_states import BeforeWrite, TableState

Found = LoadedTable | LoadedView | None

_SIGNED = frozenset({"INSERT", "INSERT OVERWRITE", "UPDATE", "MERGE", "COPY INTO"})
"""Every snapshot that they commit names the statement."""
_DELETES = frozenset({"DELETE", "TRUNCATE TABLE"})
_DROPS = frozenset({"DROP TABLE", "DROP VIEW"})
_DEFINITIONS = frozenset({"ALTER TABLE", "COMMENT"})
"""They change the definition of a table, and make no snapshot."""


class Verdict(StrEnum):
    """Whether a write was applied."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgement:
    """A verdict.

    Attributes:
        reason: why it is unknown, as the clause after "because".
    """

    verdict: Verdict
    reason: str = ""


def judge(statement_id: str, before: BeforeWrite | None, after: Mapping[TableName, Found]) -> Judgement:
    """Return whether a write was applied.

    Args:
        statement_id: id of the statement.
        before: what was recorded when it was sent; None for a statement of a server that recorded nothing.
        after: what it writes, as it is now.
    """
    if any(_is_signed(statement_id, found) for found in after.values()):
        return Judgement(Verdict.APPLIED)
    if before is None:
        return Judgement(Verdict.UNKNOWN, "its tables were not recorded before it was sent")
    if not before.tables:
        return Judgement(Verdict.UNKNOWN, f"{before.command} changes no table that could be compared")
    judged = [_judge(before.command, name, state, after.get(name)) for name, state in before.tables.items()]
    for verdict in (Verdict.APPLIED, Verdict.UNKNOWN):
        if found := next((each for each in judged if each.verdict is verdict), None):
            return found
    return Judgement(Verdict.NOT_APPLIED)


def _judge(command: str, name: TableName, before: TableState | None, found: Found) -> Judgement:
    """Return whether a write that signed no snapshot changed one table."""
    after = TableState.of(found) if found else None
    if command in _DROPS and before and after is None:
        return Judgement(Verdict.APPLIED)
    if before == after:
        return Judgement(Verdict.NOT_APPLIED)
    if before is None:
        return Judgement(Verdict.UNKNOWN, f"{name} was created after it was sent, and a table does not tell by whom")
    if after is None or after.uuid != before.uuid:
        return Judgement(Verdict.UNKNOWN, f"{name} was dropped, renamed or replaced after it was sent")
    metadata = found.metadata if found else {}
    if command in _DROPS or not _may_be_its_own(command, before, after, made_after(metadata, before.sequence_number)):
        return Judgement(Verdict.NOT_APPLIED)
    return Judgement(Verdict.UNKNOWN, f"{name} was changed after it was sent, and the change names no statement")


def _may_be_its_own(
    command: str, before: TableState, after: TableState, made: Sequence[Mapping[str, Any]] | None
) -> bool:
    """Return whether a change of a table could be that of a write that signed no snapshot.

    Args:
        command: the statement's name.
        before: the table when it was sent.
        after: the table now.
        made: the snapshots made since; None where some of them are not known any more.
    """
    if command in _DEFINITIONS:
        return before.definition != after.definition or not made
    if command in _SIGNED:
        return made is None
    if command in _DELETES:
        return made is None or any(is_bare_delete(snapshot) for snapshot in made)
    return True


def _is_signed(statement_id: str, found: Found) -> bool:
    snapshots = snapshots_of(found.metadata) if found else ()
    return any((each.get("summary") or {}).get(PROPERTY) == statement_id for each in snapshots)

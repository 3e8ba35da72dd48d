"""Branches and tags of tables, named after the table as in `sales.orders.branch_audit` (Iceberg, "Spark Writes")."""

from __future__ import annotations

from icefield_sql.lang.errors import SqlError, UnresolvedName
from icefield_sql.lang.names import TableName, reference_in
from icefield_sql.lang.suggestions import did_you_mean

from .model import Table
from .resolve import Resolved, reference_of, table_meant
from .scoping import TableRef
from .statement import Statement

MAIN = "main"


def snapshot_at(ref: TableRef, table: Table, resolved: Resolved) -> int | None:
    """Return the snapshot that a branch or tag of a table has; the current one where the name has neither."""
    reference = reference_of(ref, resolved)
    return table.snapshot_id if reference in (None, MAIN) else table.refs.get(reference or "")


def check_references(statement: Statement, resolved: Resolved) -> None:
    """Refuse branches and tags that do not exist, and writes to tags.

    Raises:
        UnresolvedName: a table has no such branch or tag.
        SqlError: a tag would be written.
    """
    for ref in statement.found.tables:
        if reference_of(ref, resolved) is not None and ref.base is not None:
            _check(ref.name, ref.base, resolved, ref.span[0])
        if ref.written and reference_of(ref, resolved) is not None:
            _check_written(ref.name)
    for name in statement.writes:
        if (base := table_meant(name, resolved)) != name:
            _check(name, base, resolved, resolved.statement.source.find(name.name))
            _check_written(name)


def _check_written(name: TableName) -> None:
    if name.name.startswith("tag_"):
        raise SqlError(f"{name} is a tag, which cannot be written to; a branch can.")


def _check(name: TableName, base: TableName, resolved: Resolved, at: int | None) -> None:
    table, reference = resolved.objects[base], reference_in(name.name) or ""
    if not isinstance(table, Table):
        raise SqlError(f"The view {base} has no branches or tags.")
    if reference not in (MAIN, *table.refs):
        kind = name.name.partition("_")[0]
        sentence = f"The table {base} has no {kind} {reference}{did_you_mean(reference, table.refs)}"
        place = "" if at is None else f"{resolved.statement.source.place(at)}: "
        raise UnresolvedName("SNAPSHOT_NOT_FOUND", f"{place}{sentence}")

"""Which snapshot a time travel clause means (Iceberg: `VERSION AS OF` a snapshot, branch or tag; `TIMESTAMP AS OF`)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlglot import exp

from icefield_sql.lang.errors import UnresolvedName
from icefield_sql.lang.names import TableName

from .model import Table


class NotConstant(Exception):  # noqa: N818
    """The clause has an expression that only an engine can evaluate."""


def snapshot_of(version: exp.Version, table: Table, name: TableName) -> int | None:
    """Return the id of the snapshot that a clause means.

    Raises:
        UnresolvedName: the table has no such snapshot.
        NotConstant: the clause is not a literal.
    """
    value = version.expression
    if version.name.upper() == "VERSION":
        return _by_version(value, table, name)
    return _by_time(_milliseconds(value), table, name)


def _by_version(value: exp.Expr, table: Table, name: TableName) -> int | None:
    if not isinstance(value, exp.Literal):
        raise NotConstant
    if value.is_string and value.name in table.refs:
        return table.refs[value.name]
    if value.is_string and value.name == "main" and table.snapshot_id is not None:
        return table.snapshot_id
    if value.name.isdigit() and any(snapshot.id == int(value.name) for snapshot in table.snapshots):
        return int(value.name)
    raise UnresolvedName("SNAPSHOT_NOT_FOUND", f"The table {name} has no snapshot, branch or tag {value.name}.")


def _by_time(milliseconds: int, table: Table, name: TableName) -> int:
    history = table.history or tuple((snapshot.timestamp_ms, snapshot.id) for snapshot in table.snapshots)
    before = [(at, snapshot) for at, snapshot in history if at <= milliseconds]
    if not before:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ")
        raise UnresolvedName("SNAPSHOT_NOT_FOUND", f"The table {name} has no snapshot as old as {moment}.")
    return max(before, key=lambda entry: entry[0])[1]


def _milliseconds(value: exp.Expr) -> int:
    """Return the moment of a literal: epoch seconds, or a timestamp, in UTC when it names no zone."""
    if isinstance(value, exp.Cast):
        value = value.this
    if not isinstance(value, exp.Literal):
        raise NotConstant
    if not value.is_string:
        return int(float(value.name) * 1000)
    try:
        moment = datetime.fromisoformat(value.name.strip())
    except ValueError:
        raise NotConstant from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

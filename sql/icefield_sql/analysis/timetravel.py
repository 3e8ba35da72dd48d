"""Which snapshot a time travel clause means (Iceberg: `VERSION AS OF` a snapshot, branch or tag; `TIMESTAMP AS OF`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlglot import exp

from icefield_sql.lang.errors import SqlError, UnresolvedName
from icefield_sql.lang.names import TableName

from .model import Table

_BEYOND = "TIMESTAMP AS OF takes a time in the years 1 to 9999, as a timestamp or in seconds since 1970."
_OF_SPARK = re.compile(
    r"\s*(?:(?!0000)\d{4}(?:-\d{1,2}(?:-\d{1,2}(?:[ T].*)?)?)?|T?\d{1,2}:.*|epoch|now|today|tomorrow|yesterday)\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Times in a spelling that Python does not read but Spark may."""
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "TEXT")


class NotConstant(Exception):  # noqa: N818
    """The clause has an expression that only an engine can evaluate."""


def snapshot_of(version: exp.Version, table: Table, name: TableName) -> int | None:
    """Return the id of the snapshot that a clause means.

    Raises:
        UnresolvedName: the table has no such snapshot.
        SqlError: the clause has a time beyond the years 1 to 9999.
        NotConstant: the clause is not a literal.
    """
    value = version.expression
    if version.name.upper() == "VERSION":
        return _by_version(value, table, name)
    return _by_time(_moment(value), table, name)


def _by_version(value: exp.Expr, table: Table, name: TableName) -> int | None:
    if not isinstance(value, exp.Literal):
        raise NotConstant
    if value.is_string and value.name in table.refs:
        return table.refs[value.name]
    if value.is_string and value.name == "main" and table.snapshot_id is not None:
        return table.snapshot_id
    if (found := next((each.id for each in table.snapshots if str(each.id) == value.name), None)) is not None:
        return found
    raise UnresolvedName("SNAPSHOT_NOT_FOUND", f"The table {name} has no snapshot, branch or tag {value.name}.")


def _by_time(moment: datetime, table: Table, name: TableName) -> int:
    milliseconds = int(moment.timestamp() * 1000)
    history = table.history or tuple((snapshot.timestamp_ms, snapshot.id) for snapshot in table.snapshots)
    before = [(at, snapshot) for at, snapshot in history if at <= milliseconds]
    if not before:
        shown = moment.isoformat(sep=" ")
        raise UnresolvedName("SNAPSHOT_NOT_FOUND", f"The table {name} has no snapshot as old as {shown}.")
    return max(before, key=lambda entry: entry[0])[1]


def _moment(value: exp.Expr) -> datetime:
    """Return the moment of a literal: epoch seconds, or a timestamp, in UTC when it names no zone."""
    sign, is_number = 1.0, False
    while isinstance(value, exp.Cast | exp.Paren | exp.Neg):
        if isinstance(value, exp.Neg):
            sign, is_number = -sign, True
        elif isinstance(value, exp.Cast):
            is_number = is_number or value.to.this.name not in _TIMES
        value = value.this
    if isinstance(value, exp.Column):
        raise SqlError(_BEYOND)
    if not isinstance(value, exp.Literal):
        raise NotConstant
    try:
        if is_number or not value.is_string:
            return datetime.fromtimestamp(sign * float(value.name), UTC)
        moment = datetime.fromisoformat(value.name.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if not is_number and value.is_string and isinstance(error, ValueError) and _OF_SPARK.fullmatch(value.name):
            raise NotConstant from None
        raise SqlError(_BEYOND) from error

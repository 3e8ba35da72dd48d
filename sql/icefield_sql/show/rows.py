"""SHOW and DESCRIBE as DuckDB answers them: a list of literal rows, with Spark's names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from icefield_sql.analysis.model import Column, Table, View
from icefield_sql.analysis.resolve import Resolved, not_found
from icefield_sql.analysis.statement import Show
from icefield_sql.lang.errors import SqlError, UnresolvedName
from icefield_sql.lang.names import DEFAULT_SCHEMA, TableName
from icefield_sql.lang.quoting import quote, quote_standard, quote_standard_string, quote_string
from icefield_sql.lang.suggestions import did_you_mean

from .patterns import matcher

Row = tuple[str | bool | None, ...]
_HIDDEN_PROPERTIES = ("created-at",)


def to_rows(resolved: Resolved, show: Show) -> str:
    """Return the DuckDB query that answers a SHOW or DESCRIBE.

    Raises:
        UnresolvedName: it is about something the catalog does not have.
        SqlError: it is about a view where only tables have an answer.
    """
    columns, rows = _answer(resolved, show)
    return values(columns, rows)


def values(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a DuckDB query of literal rows.

    A column is boolean when its name begins with `is`, of the type in _TYPES where it is there, else a string.
    """
    names = [quote_standard(column) for column in columns]
    listed = ", ".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in rows)
    if listed:
        cast = ", ".join(
            f"CAST({name} AS {_type(column)}) AS {name}" for name, column in zip(names, columns, strict=True)
        )
        return f"SELECT {cast} FROM (VALUES {listed}) AS rows({', '.join(names)})"  # noqa: S608 - quoted by us
    empty = ", ".join(f"CAST(NULL AS {_type(column)}) AS {name}" for name, column in zip(names, columns, strict=True))
    return f"SELECT {empty} WHERE FALSE"


def _answer(resolved: Resolved, show: Show) -> tuple[Sequence[str], list[Row]]:
    matches = matcher(show.pattern)
    if show.what == "databases":
        found = [_namespace(namespace) for namespace in resolved.namespaces]
        return ["namespace"], [(name,) for name in found if matches(name)]
    if show.what in ("tables", "views"):
        return _relations(resolved, show)
    if show.what == "namespace":
        return _describe_namespace(resolved, show)
    if show.what == "grants":
        return _grants(resolved, show)
    assert show.table is not None  # noqa: S101 - the rest is about one
    found_object = _object(resolved, show.table)
    if show.what == "history":
        return ["snapshot_id", "timestamp", "operation", "is_current", "refs"], _history(found_object, show)
    if show.what == "columns":
        return ["col_name"], [(column.name,) for column in found_object.columns]
    if show.what == "create table":
        return ["createtab_stmt"], [(_create(resolved, show.table, found_object),)]
    if show.what == "tblproperties":
        return _properties(found_object, show.key)
    return ["col_name", "data_type", "comment"], _describe(found_object, show, resolved)


def _grants(resolved: Resolved, show: Show) -> tuple[Sequence[str], list[Row]]:
    if show.table is not None:
        _object(resolved, show.table)
    wanted = show.key.lower() if show.key else None
    rows: list[Row] = [tuple(each) for each in resolved.grants if wanted in (None, each.principal.lower())]
    return ["Principal", "ActionType", "ObjectType", "ObjectKey"], rows


def _relations(resolved: Resolved, show: Show) -> tuple[Sequence[str], list[Row]]:
    assert show.namespace is not None  # noqa: S101 - what names a table has been answered
    matches = matcher(show.pattern)
    shown = _namespace(show.namespace)
    column = "viewName" if show.what == "views" else "tableName"
    wanted = [name for name, is_view in sorted(resolved.relations) if is_view or show.what == "tables"]
    return ["namespace", column, "isTemporary"], [(shown, name, False) for name in wanted if matches(name)]


def _object(resolved: Resolved, name: TableName) -> Table | View:
    found = resolved.objects.get(name)
    if found is None:
        raise not_found(name, resolved)
    return found


def _history(found: Table | View, show: Show) -> list[Row]:
    """Return the snapshots of a table, the newest first."""
    if isinstance(found, View):
        raise SqlError(f"{show.table} is a view, which has no history.")
    rows = sorted(found.snapshots, key=lambda snapshot: -snapshot.timestamp_ms)
    return [
        (
            str(snapshot.id),
            datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
            snapshot.operation,
            snapshot.id == found.snapshot_id,
            ", ".join(name for name, of in sorted(found.refs.items()) if of == snapshot.id),
        )
        for snapshot in rows
    ]


def _namespace(namespace: tuple[str, ...]) -> str:
    return ".".join(namespace)


def _describe_namespace(resolved: Resolved, show: Show) -> tuple[Sequence[str], list[Row]]:
    assert show.namespace is not None  # noqa: S101
    rows: list[Row] = [
        ("Catalog Name", resolved.statement.names.catalog),
        ("Namespace Name", _namespace(show.namespace) or DEFAULT_SCHEMA),
    ]
    return ["info_name", "info_value"], rows


def _describe(found: Table | View, show: Show, resolved: Resolved) -> list[Row]:
    columns = [column for column in found.columns if show.key is None or column.name.lower() == show.key.lower()]
    if show.key is not None and not columns:
        end = did_you_mean(show.key, [column.name for column in found.columns])
        raise UnresolvedName("UNRESOLVED_COLUMN", f"{show.table} has no column {show.key}{end}")
    rows: list[Row] = [(column.name, column.type, column.comment) for column in columns]
    if isinstance(found, Table) and found.partitioning and show.key is None:
        rows += [("", "", ""), ("# Partitioning", "", "")]
        rows += [(f"Part {index}", transform, "") for index, transform in enumerate(found.partitioning)]
    if show.extended and show.key is None:
        rows += [("", "", ""), ("# Detailed Table Information", "", ""), *_details(found, show, resolved)]
    return rows


def _details(found: Table | View, show: Show, resolved: Resolved) -> list[Row]:
    assert show.table is not None  # noqa: S101
    name = show.table.qualified(resolved.statement.names.catalog)
    if isinstance(found, View):
        return [
            ("Name", name, ""),
            ("Type", "VIEW", ""),
            ("View Text", found.sql, ""),
            ("Comment", found.comment or "", ""),
        ]
    properties = ",".join(f"{key}={value}" for key, value in sorted(found.properties.items()))
    return [
        ("Name", name, ""),
        ("Type", "MANAGED", ""),
        ("Comment", found.comment or "", ""),
        ("Location", found.location, ""),
        ("Provider", "iceberg", ""),
        ("Format Version", str(found.format_version), ""),
        ("Current Snapshot", str(found.snapshot_id or "none"), ""),
        ("Table Properties", f"[{properties}]", ""),
    ]


def _properties(found: Table | View, key: str | None) -> tuple[Sequence[str], list[Row]]:
    properties = {name: value for name, value in found.properties.items() if name not in _HIDDEN_PROPERTIES}
    if key is not None:
        value = properties.get(key, f"Table does not have property: {key}")
        return ["key", "value"], [(key, value)]
    return ["key", "value"], [(name, properties[name]) for name in sorted(properties)]


def _create(resolved: Resolved, name: TableName, found: Table | View) -> str:
    full = ".".join((resolved.statement.names.catalog, *name.namespace, name.name))
    if isinstance(found, View):
        return f"CREATE VIEW {full} AS\n{found.sql}"
    lines = [
        f"CREATE TABLE {full} (",
        ",\n".join(f"  {_column(column)}" for column in found.columns) + ")",
        "USING iceberg",
    ]
    if found.partitioning:
        lines.append(f"PARTITIONED BY ({', '.join(found.partitioning)})")
    if found.comment:
        lines.append(f"COMMENT {quote_string(found.comment)}")
    if found.properties:
        pairs = ",\n".join(
            f"  {quote_string(key)} = {quote_string(value)}" for key, value in sorted(found.properties.items())
        )
        lines.append(f"TBLPROPERTIES (\n{pairs})")
    return "\n".join(lines)


def _column(column: Column) -> str:
    name = column.name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column.name) else quote(column.name)
    parts = [name, column.type.upper()]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.comment:
        parts.append(f"COMMENT {quote_string(column.comment)}")
    return " ".join(parts)


def _literal(value: str | bool | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return quote_standard_string(value)


_TYPES = {"snapshot_id": "BIGINT", "timestamp": "TIMESTAMPTZ"}


def _type(column: str) -> str:
    return "BOOLEAN" if column.startswith("is") else _TYPES.get(column, "VARCHAR")

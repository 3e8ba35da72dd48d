"""GRANT, REVOKE and SHOW GRANTS, after Databricks' grammar."""

from __future__ import annotations

from dataclasses import dataclass

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.names import Names, TableName
from icefield_sql.lang.suggestions import either, nearest

from .heads import NAMESPACES, table_at
from .model import Kind
from .statement import GrantChange, Show, Statement

PRIVILEGES = ("SELECT", "INSERT", "OWN")


@dataclass(frozen=True)
class _Object:
    database: str
    table: TableName | None


def grant(cursor: Cursor, names: Names) -> Statement:
    """Read `GRANT privilege, … ON [TABLE | VIEW | DATABASE | SCHEMA] name TO principal`, or `REVOKE … FROM principal`.

    Raises:
        SqlError: it is something else.
    """
    command = cursor.take_any("GRANT", "REVOKE")
    privileges = _privileges(cursor)
    cursor.expect("ON")
    found = _object(cursor, names)
    cursor.expect("TO" if command == "GRANT" else "FROM")
    principal = _principal(cursor)
    cursor.end()
    table = None if found.table is None else ".".join((*found.table.namespace[1:], found.table.name))
    change = GrantChange(privileges, found.database, table, principal, is_revoked=command == "REVOKE")
    return Statement(cursor.source, names, Kind.GRANT, command, grant=change)


def show_grants(cursor: Cursor, names: Names) -> Statement:
    """Read what follows SHOW in `SHOW GRANTS [principal] ON [TABLE | VIEW | DATABASE | SCHEMA] name`."""
    cursor.expect("GRANTS")
    principal = None if cursor.at("ON") else _principal(cursor)
    cursor.expect("ON")
    found = _object(cursor, names)
    cursor.end()
    reads = (found.table,) if found.table else ()
    show = Show("grants", (found.database,), found.table, key=principal)
    return Statement(cursor.source, names, Kind.METADATA, "SHOW GRANTS", reads, show=show)


def _privileges(cursor: Cursor) -> tuple[str, ...]:
    found: dict[str, None] = {}
    while True:
        word = cursor.word()
        if word not in PRIVILEGES:
            close = nearest(word, PRIVILEGES)
            hint = f"did you mean {either(close)}?" if close else f"there are: {', '.join(PRIVILEGES)}."
            raise cursor.refusal(f"There is no privilege {word or (cursor.token and cursor.token.text)}; {hint}")
        cursor.take(word)
        found[word] = None
        if not cursor.take(","):
            return tuple(found)


def _object(cursor: Cursor, names: Names) -> _Object:
    if not cursor.take_any(*NAMESPACES):
        cursor.take_any("TABLE", "VIEW")
        table = table_at(cursor.name(), names)
        return _Object(table.namespace[0], table)
    span = cursor.name()
    namespace = names.namespace(span.parts)
    if len(namespace) != 1 or names.is_catalog(namespace[0]):
        raise SqlError(f"Grants are on databases and on tables, and {span} is neither.", span.start)
    return _Object(namespace[0], None)


def _principal(cursor: Cursor) -> str:
    return text if (text := cursor.take_string()) is not None else ".".join(cursor.name().parts)

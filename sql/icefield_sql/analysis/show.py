"""SHOW, DESCRIBE and EXPLAIN: what they ask for."""

from __future__ import annotations

from icefield_sql.lang.cursor import Cursor, NameSpan
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.names import Names, TableName

from .grants import show_grants
from .heads import table_at
from .model import Kind
from .refusals import show_refusal
from .statement import Show, Statement

_NOT_DESCRIBED = {"FUNCTION": "DESCRIBE FUNCTION is not supported; SHOW FUNCTIONS LIKE 'name' shows its engines."}


def show(cursor: Cursor, names: Names) -> Statement:
    """Read a SHOW.

    Raises:
        SqlError: it asks for something we do not show.
    """
    cursor.expect("SHOW")
    if cursor.take_any("DATABASES", "SCHEMAS", "NAMESPACES"):
        where = _where(cursor)
        namespace = names.namespace(where.parts) if where else ()
        return _done(cursor, names, "SHOW DATABASES", Show("databases", namespace, pattern=_pattern(cursor)))
    if what := cursor.take_any("TABLES", "VIEWS"):
        where = _where(cursor)
        namespace = names.namespace(where.parts if where else ())
        if not namespace:
            raise SqlError(f"SHOW {what} needs a database: SHOW {what} IN database, or a schema in the request.")
        return _done(cursor, names, f"SHOW {what}", Show(what.lower(), namespace, pattern=_pattern(cursor)))
    if cursor.take("COLUMNS"):
        return _columns(cursor, names)
    if cursor.take("CREATE", "TABLE"):
        return _done(cursor, names, "SHOW CREATE TABLE", Show("create table", table=_table(cursor, names)))
    if cursor.take("TBLPROPERTIES"):
        table = _table(cursor, names)
        key = cursor.parenthesised() if cursor.at("(") else []
        show = Show("tblproperties", table=table, key="".join(token.text for token in key) or None)
        return _done(cursor, names, "SHOW TBLPROPERTIES", show)
    if cursor.take("CREATE", "VIEW"):
        return _done(cursor, names, "SHOW CREATE VIEW", Show("create table", table=_table(cursor, names)))
    if cursor.at("GRANTS"):
        return show_grants(cursor, names)
    if functions := _functions(cursor, names):
        return functions
    raise cursor.refusal(show_refusal(cursor.token.text) if cursor.token else "")


def _functions(cursor: Cursor, names: Names) -> Statement | None:
    """Read `SHOW [USER | SYSTEM | ALL] FUNCTIONS [LIKE pattern]` (Spark, "SHOW FUNCTIONS"); None where it is none."""
    of = cursor.word() in ("USER", "SYSTEM", "ALL") and cursor.word(1) == "FUNCTIONS"
    if not of and not cursor.at("FUNCTIONS"):
        return None
    is_of_users = cursor.take_any("USER", "SYSTEM", "ALL") == "USER"
    cursor.take("FUNCTIONS")
    pattern = _pattern(cursor)
    if pattern is None and not cursor.done:
        pattern = str(cursor.name())
    return _done(cursor, names, "SHOW FUNCTIONS", Show("functions", pattern="" if is_of_users else pattern))


def describe(cursor: Cursor, names: Names) -> Statement:
    """Read `DESCRIBE [TABLE] [EXTENDED | FORMATTED] name [column]` or `DESCRIBE SCHEMA name`.

    Raises:
        SqlError: it asks for something we do not describe.
    """
    if not cursor.take_any("DESCRIBE", "DESC"):
        raise cursor.unexpected("DESCRIBE")
    if cursor.take_any("SCHEMA", "DATABASE", "NAMESPACE"):
        extended = bool(cursor.take_any("EXTENDED"))
        namespace = names.namespace(cursor.name().parts)
        return _done(cursor, names, "DESCRIBE SCHEMA", Show("namespace", namespace, extended=extended))
    if _names_another(cursor, "HISTORY"):
        cursor.take("HISTORY")
        return _done(cursor, names, "DESCRIBE HISTORY", Show("history", table=_table(cursor, names)))
    if _names_another(cursor, "DETAIL"):
        raise cursor.refusal("DESCRIBE DETAIL is not supported; DESCRIBE EXTENDED database.table shows what there is.")
    cursor.take("TABLE")
    extended = bool(cursor.take_any("EXTENDED", "FORMATTED"))
    if cursor.word() in ("SELECT", "WITH", "VALUES", "QUERY", "FUNCTION"):
        raise cursor.refusal(_NOT_DESCRIBED.get(cursor.word(), "Run the query with LIMIT 0 to see its columns."))
    table = _table(cursor, names)
    key = None if cursor.done else cursor.name().parts[-1]
    return _done(cursor, names, "DESCRIBE TABLE", Show("table", table=table, extended=extended, key=key))


def _names_another(cursor: Cursor, word: str) -> bool:
    """Return whether a word comes before a table's name, and is none itself."""
    return cursor.at(word) and len(cursor.tokens) > cursor.index + 1 and cursor.word(1) != "."


def _columns(cursor: Cursor, names: Names) -> Statement:
    where = _where(cursor)
    if where is None:
        raise cursor.unexpected("IN")
    parts = where.parts
    if (inside := _where(cursor)) is not None:
        parts = (*inside.parts, *parts)
    return _done(cursor, names, "SHOW COLUMNS", Show("columns", table=names.table(parts)))


def _where(cursor: Cursor) -> NameSpan | None:
    return cursor.name() if cursor.take_any("FROM", "IN") else None


def _pattern(cursor: Cursor) -> str | None:
    if cursor.take("LIKE"):
        return cursor.string()
    return cursor.take_string()


def _table(cursor: Cursor, names: Names) -> TableName:
    return table_at(cursor.name(), names)


def _done(cursor: Cursor, names: Names, command: str, asked: Show) -> Statement:
    cursor.end()
    reads = (asked.table,) if asked.table else ()
    return Statement(cursor.source, names, Kind.METADATA, command, reads, show=asked)

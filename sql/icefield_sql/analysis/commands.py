"""Statements without a query: DROP, ALTER, TRUNCATE, COMMENT, BEGIN and COMMIT. What is not read here is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits
from icefield_sql.lang.names import Names, TableName
from icefield_sql.lang.quoting import quote_all
from icefield_sql.lang.suggestions import did_you_mean

from .heads import NAMESPACES, check_inert, rewrite_namespace, rewrite_table
from .model import Kind
from .property_lists import read_properties, read_property_keys
from .refusals import creation_refusal
from .sort_orders import read_sort_order
from .statement import Statement

_ALTERATIONS: tuple[tuple[str, ...], ...] = (
    ("ADD", "COLUMN"),
    ("ADD", "COLUMNS"),
    ("DROP", "COLUMN"),
    ("DROP", "COLUMNS"),
    ("RENAME", "COLUMN"),
    ("ALTER", "COLUMN"),
    ("CHANGE", "COLUMN"),
    ("ADD", "PARTITION", "FIELD"),
    ("DROP", "PARTITION", "FIELD"),
    ("REPLACE", "PARTITION", "FIELD"),
    ("WRITE",),
    ("SET", "IDENTIFIER", "FIELDS"),
    ("DROP", "IDENTIFIER", "FIELDS"),
    ("CREATE", "BRANCH"),
    ("CREATE", "TAG"),
    ("CREATE", "OR", "REPLACE", "BRANCH"),
    ("CREATE", "OR", "REPLACE", "TAG"),
    ("REPLACE", "BRANCH"),
    ("REPLACE", "TAG"),
    ("DROP", "BRANCH"),
    ("DROP", "TAG"),
)
"""How an ALTER TABLE may go on besides RENAME TO and properties (Spark's and Iceberg's own)."""


def drop(cursor: Cursor, names: Names) -> Statement:
    """Read `DROP TABLE | VIEW | SCHEMA [IF EXISTS] name [PURGE | CASCADE | RESTRICT]`."""
    cursor.expect("DROP")
    what = cursor.take_any("TABLE", "VIEW", *NAMESPACES)
    if not what:
        raise cursor.refusal(creation_refusal("DROP", cursor.token.text) if cursor.token else "")
    word = cursor.tokens[cursor.index - 1]
    tolerant = cursor.take("IF", "EXISTS")
    edits = Edits()
    if what in NAMESPACES:
        namespace = rewrite_namespace(cursor.name(), names, edits)
        cursor.take_any("CASCADE", "RESTRICT")
        return replace(_done(cursor, names, edits, "DROP SCHEMA", None), dropped_namespace=namespace)
    target = rewrite_table(cursor.name(), names, edits)
    if what == "TABLE":
        cursor.take("PURGE")
    is_table = what == "TABLE"
    statement = _done(cursor, names, edits, f"DROP {what}", target, must_exist=is_table and not tolerant)
    # Published clients drop whatever has a name so, before they give the name to something else.
    return replace(statement, kind_word=(word.start, word.end)) if is_table and tolerant else statement


def alter(cursor: Cursor, names: Names) -> Statement:
    """Read `ALTER TABLE | VIEW | SCHEMA name …`."""
    cursor.expect("ALTER")
    what = cursor.take_any("TABLE", "VIEW", *NAMESPACES)
    edits = Edits()
    if not what:
        raise cursor.unexpected("TABLE, VIEW or SCHEMA")
    word = cursor.tokens[cursor.index - 1]
    if what in NAMESPACES:
        namespace = rewrite_namespace(cursor.name(), names, edits)
        _properties(cursor, ("DBPROPERTIES", "PROPERTIES"))
        return replace(_done(cursor, names, edits, "ALTER SCHEMA", None), changed_namespace=namespace)
    target = rewrite_table(cursor.name(), names, edits)
    if cursor.take("RENAME", "TO"):
        new = _rename(cursor, names, edits, target)
        renamed = replace(_done(cursor, names, edits, f"ALTER {what}", target), renamed_to=new)
        return replace(renamed, kind_word=(word.start, word.end)) if what == "TABLE" else renamed
    if cursor.at("SET", "TBLPROPERTIES") or cursor.at("UNSET", "TBLPROPERTIES"):
        _properties(cursor, ("TBLPROPERTIES",))
    elif what == "TABLE":
        _alteration(cursor)
    else:
        raise cursor.unexpected("AS, RENAME TO, SET TBLPROPERTIES or UNSET TBLPROPERTIES")
    return _done(cursor, names, edits, f"ALTER {what}", target, must_exist=what == "TABLE")


def truncate(cursor: Cursor, names: Names) -> Statement:
    """Read `TRUNCATE TABLE name`."""
    cursor.expect("TRUNCATE", "TABLE")
    edits = Edits()
    target = rewrite_table(cursor.name(), names, edits)
    return _done(cursor, names, edits, "TRUNCATE TABLE", target, must_exist=True)


def comment(cursor: Cursor, names: Names) -> Statement:
    """Read `COMMENT ON TABLE | SCHEMA name IS 'text' | NULL`."""
    cursor.expect("COMMENT")
    cursor.expect("ON")
    what = cursor.take_any("TABLE", *NAMESPACES)
    edits = Edits()
    target: TableName | None = None
    namespace: tuple[str, ...] | None = None
    if not what:
        raise cursor.unexpected("TABLE or SCHEMA")
    if what == "TABLE":
        target = rewrite_table(cursor.name(), names, edits)
    else:
        namespace = rewrite_namespace(cursor.name(), names, edits)
    cursor.expect("IS")
    if not cursor.take("NULL"):
        cursor.string()
    statement = _done(cursor, names, edits, "COMMENT", target, must_exist=target is not None)
    return replace(statement, changed_namespace=namespace)


def transaction(cursor: Cursor, names: Names) -> Statement:
    """Read `BEGIN | START TRANSACTION | COMMIT | ROLLBACK`, which clients send around every statement."""
    word = cursor.take_any("BEGIN", "START", "COMMIT", "ROLLBACK")
    if word == "START":
        cursor.expect("TRANSACTION")
    else:
        cursor.take_any("TRANSACTION", "WORK")
    cursor.end()
    return Statement(cursor.source, names, Kind.TRANSACTION, word)


def _rename(cursor: Cursor, names: Names, edits: Edits, source: TableName) -> TableName:
    """Write the new name without the catalog's, which catalogs would take for a database's, and return the table's."""
    span = cursor.name()
    new = TableName(source.namespace, span.parts[0]) if len(span.parts) == 1 else names.table(span.parts)
    if len(span.parts) == 1:
        names.namespace(span.parts)  # refuses characters that no name has
    edits.replace(span.start, span.end, quote_all((*new.namespace, new.name)))
    return new


def _alteration(cursor: Cursor) -> None:
    if not any(cursor.at(*words) for words in _ALTERATIONS):
        known = sorted({words[0] for words in _ALTERATIONS} | {"SET", "UNSET"})
        word = cursor.token.text.upper() if cursor.token else ""
        raise cursor.refusal(f"ALTER TABLE … {word} is not supported{did_you_mean(word, known)}" if word else "")
    if cursor.take("WRITE"):
        _write_order(cursor)
        return
    rest: list[Token] = list(cursor.tokens[cursor.index :])
    check_inert(rest, "ALTER TABLE", frozenset({"column", "columns"}))
    for token in rest:
        if token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING) and token.text.upper() in (
            "DEFAULT",
            "LOCATION",
        ):
            raise SqlError(f"{token.text.upper()} is not supported in ALTER TABLE; quote it when it is a name.")
    cursor.index = len(cursor.tokens)


def _write_order(cursor: Cursor) -> None:
    """Read how writes distribute and sort their rows (IcebergSqlExtensions.g4, `writeSpec`)."""
    while not cursor.done:
        if cursor.take("DISTRIBUTED", "BY", "PARTITION") or cursor.take("UNORDERED"):
            continue
        cursor.take("LOCALLY")
        cursor.expect("ORDERED", "BY")
        read_sort_order(cursor)


def _properties(cursor: Cursor, words: tuple[str, ...]) -> None:
    verb = cursor.take_any("SET", "UNSET")
    if not verb:
        raise cursor.unexpected(f"SET {words[0]}")
    if not cursor.take_any(*words):
        raise cursor.unexpected(words[0])
    if verb == "SET":
        read_properties(cursor)
    else:
        cursor.take("IF", "EXISTS")
        read_property_keys(cursor)


def _done(
    cursor: Cursor, names: Names, edits: Edits, command: str, target: TableName | None, must_exist: bool = False
) -> Statement:
    cursor.end()
    writes = (target,) if target else ()
    exist = writes if must_exist else ()
    return Statement(cursor.source, names, Kind.WRITE, command, (), writes, edits=edits, must_exist=exist)


READERS: dict[str, Callable[[Cursor, Names], Statement]] = {
    "DROP": drop,
    "ALTER": alter,
    "TRUNCATE": truncate,
    "COMMENT": comment,
    "BEGIN": transaction,
    "START": transaction,
    "COMMIT": transaction,
    "ROLLBACK": transaction,
}
"""What reads a statement, by its first word."""

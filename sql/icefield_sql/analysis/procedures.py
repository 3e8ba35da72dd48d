"""CALL of Iceberg's procedures: an allow-list, with only literals as arguments, each passed on by its name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits, SourceText, write
from icefield_sql.lang.names import Names, TableName
from icefield_sql.lang.quoting import quote_all, quote_string
from icefield_sql.lang.suggestions import nearest

from .model import Kind
from .sort_orders import sort_order_for_spark
from .statement import Statement

PROCEDURES: dict[str, tuple[str, ...]] = {
    "ancestors_of": ("table", "snapshot_id"),
    "cherrypick_snapshot": ("table", "snapshot_id"),
    "compute_partition_stats": ("table", "snapshot_id"),
    "compute_table_stats": ("table", "snapshot_id", "columns"),
    "expire_snapshots": (
        "table",
        "older_than",
        "retain_last",
        "max_concurrent_deletes",
        "stream_results",
        "snapshot_ids",
        "clean_expired_metadata",
    ),
    "fast_forward": ("table", "branch", "to"),
    "publish_changes": ("table", "wap_id"),
    "remove_orphan_files": (
        "table",
        "older_than",
        "location",
        "dry_run",
        "max_concurrent_deletes",
        "file_list_view",
        "equal_schemes",
        "equal_authorities",
        "prefix_mismatch_mode",
        "prefix_listing",
        "stream_results",
    ),
    "rewrite_data_files": ("table", "strategy", "sort_order", "options", "where", "branch"),
    "rewrite_manifests": ("table", "use_caching", "spec_id"),
    "rewrite_position_delete_files": ("table", "options", "where"),
    "rollback_to_snapshot": ("table", "snapshot_id"),
    "rollback_to_timestamp": ("table", "timestamp"),
    "set_current_snapshot": ("table", "snapshot_id", "ref"),
}
"""Iceberg's procedures that stay within a table, with their parameters in Iceberg's order (1.11, the PARAMETERS of each
class in org.apache.iceberg.spark.procedures). Those that take files or other catalogs' tables are left out."""

_REMOVE_ORPHANS = "remove_orphan_files"
"""It lists files with Hadoop's file systems by default, and Spark has none for `s3`; the catalog's FileIO
lists prefixes."""
_FORBIDDEN = frozenset(
    {"location", "file_list_view", "equal_schemes", "equal_authorities", "prefix_mismatch_mode", "where"}
)
_CALLABLE = ("ARRAY", "MAP")
_CONSTANTS = ("TRUE", "FALSE", "NULL")
_TYPED = ("TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "DATE")
_STRINGS = (TokenType.STRING, TokenType.RAW_STRING)
_LITERALS_ONLY = "Arguments of a procedure are literals, array(…) and map(…)."


@dataclass(frozen=True)
class _Argument:
    """An argument of a call: its tokens, and the text that Spark is given."""

    tokens: tuple[Token, ...]
    text: str

    @property
    def string(self) -> str | None:
        """Its value where it is one string."""
        return self.tokens[0].text if len(self.tokens) == 1 and self.tokens[0].token_type in _STRINGS else None

    @property
    def is_null(self) -> bool:
        return self.text.upper() == "NULL"


def call(cursor: Cursor, names: Names) -> Statement:
    """Read `CALL [catalog.]system.procedure(…)`, arguments by position and then by name (Spark, "CALL").

    Raises:
        SqlError: the procedure or an argument is not allowed.
    """
    cursor.expect("CALL")
    span = cursor.name()
    parts = list(span.parts)
    if len(parts) == 3 and names.is_catalog(parts[0]):
        parts = parts[1:]
    if len(parts) != 2 or parts[0].lower() != "system" or parts[1].lower() not in PROCEDURES:
        if found := nearest(parts[-1], sorted(PROCEDURES)):
            raise SqlError(f"There is no procedure {span}; did you mean system.{found[0]}?", span.start)
        known = ", ".join(sorted(PROCEDURES))
        raise SqlError(f"There is no procedure {span}; these are in system: {known}.", span.start)
    procedure = parts[1].lower()
    edits = Edits()
    edits.replace(span.start, span.end, quote_all((names.catalog, "system", procedure)))
    opening = cursor.index
    arguments = _arguments(cursor, procedure)
    closing = cursor.tokens[cursor.index - 1]
    cursor.end()
    table, given = _checked(procedure, arguments, names)
    listed = ", ".join(f"{name} => {text}" for name, text in given.items())
    edits.replace(cursor.tokens[opening].start, closing.end, f"({listed})")
    return Statement(cursor.source, names, Kind.WRITE, "CALL", (), (table,), edits=edits, must_exist=(table,))


def _arguments(cursor: Cursor, procedure: str) -> dict[str, _Argument]:
    """Read the arguments of a call, and return them by the names of their parameters."""
    parameters = PROCEDURES[procedure]
    arguments: dict[str, _Argument] = {}
    is_named = False
    cursor.expect("(")
    while not cursor.take(")"):
        if arguments:
            cursor.expect(",")
        if cursor.word(1) == "=>":
            is_named = True
            span = cursor.name()
            name, start = span.parts[0].lower(), span.start
            cursor.expect("=>")
            if name not in parameters:
                found = nearest(name, parameters)
                known = f"did you mean {found[0]}?" if found else f"it has: {', '.join(parameters)}."
                raise SqlError(f"The procedure {procedure} has no argument {name}; {known}", start)
        elif is_named:
            raise SqlError("An argument without a name cannot follow one with a name.")
        elif len(arguments) == len(parameters):
            raise SqlError(f"The procedure {procedure} takes at most {len(parameters)} arguments.")
        else:
            name = parameters[len(arguments)]
        if name in arguments:
            raise SqlError(f"The argument {name} of a procedure is given twice.")
        arguments[name] = _argument(cursor)
    return arguments


def _argument(cursor: Cursor) -> _Argument:
    first = cursor.index
    _value(cursor)
    source = SourceText(cursor.source.text, cursor.tokens[first : cursor.index])
    return _Argument(source.tokens, write(source, Edits()))


def _value(cursor: Cursor) -> None:
    """Read a literal, or an array or map of literals."""
    if cursor.take_any(*_CONSTANTS):
        return
    if cursor.take_any(*_TYPED):
        cursor.string()
    elif cursor.take_any(*_CALLABLE):
        cursor.expect("(")
        _values(cursor)
    elif cursor.take("("):
        _value(cursor)
        cursor.expect(")")
    elif cursor.take_string() is None:
        cursor.take_any("+", "-")
        _number(cursor)


def _values(cursor: Cursor) -> None:
    if cursor.take(")"):
        return
    _value(cursor)
    while not cursor.take(")"):
        cursor.expect(",")
        _value(cursor)


def _number(cursor: Cursor) -> None:
    """Read a number with all the tokens that its suffix makes: `2L` is three, of the same characters."""
    token = cursor.token
    if token is None or token.token_type != TokenType.NUMBER:
        raise SqlError(_LITERALS_ONLY)
    while cursor.token is not None and cursor.token.start == token.start:
        cursor.index += 1


def _checked(procedure: str, arguments: dict[str, _Argument], names: Names) -> tuple[TableName, dict[str, str]]:
    """Return the table of a call, and the arguments for Spark; NULL is what an absent one is."""
    given: dict[str, str] = {}
    for name, argument in arguments.items():
        if argument.is_null:
            continue
        if name in _FORBIDDEN:
            raise SqlError(f"The argument {name} of a procedure is not supported.")
        given[name] = _sorted(argument) if name == "sort_order" else argument.text
    if procedure == _REMOVE_ORPHANS:
        given.setdefault("prefix_listing", "true")
    table = _table(arguments.get("table"), names)
    given["table"] = quote_string(quote_all((names.catalog, *table.namespace, table.name)))
    return table, given


def _sorted(argument: _Argument) -> str:
    if argument.string is None:
        raise SqlError("The argument sort_order of a procedure is a string, as in 'id DESC NULLS LAST, name'.")
    return quote_string(sort_order_for_spark(argument.string))


def _table(argument: _Argument | None, names: Names) -> TableName:
    """Return the table of a call: `table => 'sales.orders'`, or the first argument."""
    if argument is None or argument.string is None:
        raise SqlError("A procedure needs its table as a string, as in table => 'sales.orders'.")
    return names.table(split_name(argument.string))


def split_name(text: str) -> list[str]:
    """Return the parts of a dotted name in a string, each perhaps in quotes."""
    parts, part, quote = [], "", ""
    for character in text.strip():
        if quote:
            quote = "" if character == quote else quote
            part += "" if not quote else character
        elif character in '`"' and not part:
            quote = character
        elif character == ".":
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]

"""CALL of Iceberg's procedures: an allow-list, with only literals as arguments."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits
from icefield_sql.lang.names import Names, TableName
from icefield_sql.lang.quoting import quote_all, quote_string

from .model import Kind
from .statement import Statement

PROCEDURES = frozenset(
    [
        "ancestors_of",
        "cherrypick_snapshot",
        "compute_partition_stats",
        "compute_table_stats",
        "expire_snapshots",
        "fast_forward",
        "publish_changes",
        "remove_orphan_files",
        "rewrite_data_files",
        "rewrite_manifests",
        "rewrite_position_delete_files",
        "rollback_to_snapshot",
        "rollback_to_timestamp",
        "set_current_snapshot",
    ]
)
"""Iceberg's procedures that stay within a table; those that take files or other catalogs' tables are left out."""

_FORBIDDEN_ARGUMENTS = frozenset(
    {"location", "file_list_view", "equal_schemes", "equal_authorities", "prefix_mismatch_mode", "where"}
)
_CALLABLE = frozenset({"array", "map"})
_LITERALS = frozenset({"TIMESTAMP", "DATE", "TRUE", "FALSE", "NULL"})


def call(cursor: Cursor, names: Names) -> Statement:
    """Read `CALL [catalog.]system.procedure(…)`.

    Raises:
        SqlError: the procedure or an argument is not allowed.
    """
    cursor.expect("CALL")
    span = cursor.name()
    parts = list(span.parts)
    if len(parts) == 3 and names.is_catalog(parts[0]):
        parts = parts[1:]
    if len(parts) != 2 or parts[0].lower() != "system" or parts[1].lower() not in PROCEDURES:
        raise SqlError(f"The procedure {span} is not supported; these are: {', '.join(sorted(PROCEDURES))}.")
    edits = Edits()
    edits.replace(span.start, span.end, quote_all((names.catalog, "system", parts[1].lower())))
    arguments = cursor.parenthesised()
    cursor.end()
    _check(arguments)
    table = _table(arguments, names, edits)
    return Statement(
        cursor.source, names, Kind.WRITE, "CALL", (), (table,), edits=edits, must_exist=(table,), dialect="icefield"
    )


def _check(tokens: list[Token]) -> None:
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        if token.token_type in (TokenType.STRING, TokenType.NUMBER, TokenType.RAW_STRING):
            continue
        word = token.text
        if after is not None and after.text == "=>":
            if word.lower() in _FORBIDDEN_ARGUMENTS:
                raise SqlError(f"The argument {word} of a procedure is not supported.")
        elif after is not None and after.text == "(":
            if word.lower() not in _CALLABLE:
                raise SqlError("Arguments of a procedure are literals, array(…) and map(…).")
        elif word.replace("_", "a").isalnum() and word.upper() not in _LITERALS:
            raise SqlError("Arguments of a procedure are literals, array(…) and map(…).")


def _table(tokens: list[Token], names: Names, edits: Edits) -> TableName:
    """Return the table of a call, and write its name in full: `table => 'sales.orders'`, or the first argument."""
    at = 0
    for index, token in enumerate(tokens):
        if token.text.lower() == "table" and index + 2 < len(tokens) and tokens[index + 1].text == "=>":
            at = index + 2
            break
    if at >= len(tokens) or tokens[at].token_type != TokenType.STRING:
        raise SqlError("A procedure needs its table as a string, as in table => 'sales.orders'.")
    token = tokens[at]
    table = names.table(split_name(token.text))
    edits.replace(token.start, token.end, quote_string(quote_all((names.catalog, *table.namespace, table.name))))
    return table


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

"""Sort orders of Iceberg's Spark extension: columns and partition transforms, each with its direction."""

from __future__ import annotations

from sqlglot.tokenizer_core import TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits, lex, write

TRANSFORMS = frozenset(
    [
        "year",
        "years",
        "month",
        "months",
        "day",
        "days",
        "hour",
        "hours",
        "bucket",
        "truncate",
        "identity",
        "date_hour",
        "zorder",
    ]
)
"""Iceberg's partition transforms, and the curve that files are sorted along."""


def read_sort_order(cursor: Cursor) -> None:
    """Read `column | transform(…) [ASC | DESC] [NULLS FIRST | LAST], …`, perhaps in parentheses.

    The grammar is Iceberg's own (IcebergSqlExtensions.g4, `order`).

    Raises:
        SqlError: something else comes next.
    """
    is_parenthesised = cursor.take("(")
    _field(cursor)
    while cursor.take(","):
        _field(cursor)
    if is_parenthesised:
        cursor.expect(")")


def sort_order_for_spark(text: str) -> str:
    """Return a sort order that a string holds, written again from its tokens.

    Raises:
        SqlError: it is none.
    """
    try:
        source = lex(text)
        cursor = Cursor(source)
        read_sort_order(cursor)
        cursor.end()
    except SqlError as error:
        raise SqlError(f"The sort order {text[:80]!r} is none: {error.sentence}") from None
    return write(source, Edits())


def _field(cursor: Cursor) -> None:
    name = cursor.name()
    if cursor.take("("):
        if len(name.parts) > 1 or name.parts[0].lower() not in TRANSFORMS:
            raise SqlError(f"The function {name} cannot stand in a sort order.")
        _argument(cursor)
        while cursor.take(","):
            _argument(cursor)
        cursor.expect(")")
    cursor.take_any("ASC", "DESC")
    if cursor.take("NULLS") and not cursor.take_any("FIRST", "LAST"):
        raise cursor.unexpected("FIRST or LAST")


def _argument(cursor: Cursor) -> None:
    token = cursor.token
    if token is not None and token.token_type == TokenType.NUMBER:
        cursor.index += 1
    else:
        cursor.name()

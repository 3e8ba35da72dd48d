"""Lists of properties in statements: `('key' = 'value', other.key = 1)`."""

from __future__ import annotations

from sqlglot.tokenizer_core import TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.properties import property_problem


def read_properties(cursor: Cursor) -> None:
    """Read a list of properties with their values.

    Raises:
        SqlError: it is none, or a property cannot be set.
    """
    cursor.expect("(")
    while True:
        key = _key(cursor)
        cursor.take("=")
        if problem := property_problem(key, _value(cursor)):
            raise SqlError(problem)
        if not cursor.take(","):
            break
    cursor.expect(")")


def read_property_keys(cursor: Cursor) -> None:
    """Read a list of properties that are to be removed, which may be any.

    Raises:
        SqlError: it is none.
    """
    cursor.expect("(")
    _key(cursor)
    while cursor.take(","):
        _key(cursor)
    cursor.expect(")")


def _key(cursor: Cursor) -> str:
    text = cursor.take_string()
    return str(cursor.name()) if text is None else text


def _value(cursor: Cursor) -> str:
    token = cursor.token
    if cursor.take_any("TRUE", "FALSE") or (token is not None and token.token_type == TokenType.NUMBER):
        assert token is not None  # noqa: S101 - what was read
        while cursor.token is not None and cursor.token.start == token.start:
            cursor.index += 1
        return token.text
    text = cursor.take_string()
    if text is None:
        raise SqlError("A property is written as 'key' = 'value'.")
    return text

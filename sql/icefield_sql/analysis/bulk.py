"""INSERT … VALUES with many rows of literals: the rows are checked to be just that, and passed on unchanged.

Clients write data frames so, a thousand rows a statement; the parser would take a second for what a regular expression
reads in a millisecond. Anything else takes the ordinary path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from icefield_sql.lang import planning_time

MIN_LENGTH = 2_000
"""Shorter statements take the ordinary path."""

_NAME = r'(?:`(?:[^`]|``)++`|"(?:[^"]|"")++"|\w++)'
_HEAD = re.compile(
    rf"\s*+INSERT\s++INTO\s++(?:TABLE\s++)?{_NAME}(?:\.{_NAME})*+\s*+"
    rf"(?:\(\s*+{_NAME}(?:\s*+,\s*+{_NAME})*+\s*+\)\s*+)?VALUES\s*+",
    re.IGNORECASE,
)
_STRING = r"'(?:[^'\\]|''|\\.)*+'"
_LITERAL = (
    rf"(?:{_STRING}|[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?![\w.])|NULL\b|TRUE\b|FALSE\b"
    rf"|X'[0-9a-fA-F]*+'|(?:DATE|TIMESTAMP|TIMESTAMP_NTZ)\s*+{_STRING})"
)
_ROW = re.compile(rf"\(\s*+{_LITERAL}(?:\s*+,\s*+{_LITERAL})*+\s*+\)\s*+", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(_LITERAL, re.IGNORECASE | re.DOTALL)
_COMMA = re.compile(r",\s*+")
_END = re.compile(r"[;\s]*+\Z")
_PAIR = re.compile(r"\\.|''", re.DOTALL)
_QUOTED = re.compile(_STRING, re.DOTALL)


@dataclass(frozen=True)
class Rows:
    """An INSERT up to its first row, and the rest of its rows as Spark reads them.

    `texts` has the positions of the values that are strings in some row.
    """

    head: str
    tail: str
    texts: frozenset[int]


def split(text: str) -> Rows | None:
    """Return the rows of an INSERT that has nothing but literals; None for anything else."""
    if len(text) < MIN_LENGTH or "\0" in text:
        return None
    head = _HEAD.match(text)
    first = _ROW.match(text, head.end()) if head else None
    if first is None:
        return None
    position = first.end()
    texts = _texts(first.group())
    while comma := _COMMA.match(text, position):
        planning_time.check()
        row = _ROW.match(text, comma.end())
        if row is None:
            return None
        texts |= _texts(row.group())
        position = row.end()
    if not _END.match(text, position) or position == first.end():
        return None
    return Rows(text[: first.end()], _QUOTED.sub(_escaped, text[first.end() : position]), frozenset(texts))


def texts_of(tree: exp.Expr | None) -> frozenset[int]:
    """Return at which positions the rows of a VALUES have a literal string."""
    if not isinstance(tree, exp.Values):
        return frozenset()
    rows = (row.expressions if isinstance(row, exp.Tuple) else [row] for row in tree.expressions)
    return frozenset(index for row in rows for index, value in enumerate(row) if is_text(value))


def is_text(node: exp.Expr) -> bool:
    """Return whether an expression is a literal string."""
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _texts(row: str) -> set[int]:
    return {index for index, value in enumerate(_VALUE.finditer(row)) if value.group().startswith("'")}


def _escaped(match: re.Match[str]) -> str:
    """Write a doubled quote with a backslash: Spark would take it for two strings side by side."""
    literal = match.group()
    if "''" not in literal[1:-1]:
        return literal
    return "'" + _PAIR.sub(lambda pair: "\\'" if pair.group() == "''" else pair.group(), literal[1:-1]) + "'"

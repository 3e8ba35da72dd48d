"""INSERT … VALUES with many rows of literals: the rows are checked to be just that, and passed on unchanged.

Clients write data frames so, a thousand rows a statement; the parser would take a second for what a regular expression
reads in a millisecond. Anything else takes the ordinary path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

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
_NO_TEXT = (
    r"(?:[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?![\w.])|NULL\b|TRUE\b|FALSE\b"
    rf"|X'[0-9a-fA-F]*+'|(?:DATE|TIMESTAMP|TIMESTAMP_NTZ)\s*+{_STRING})"
)
_LITERAL = rf"(?:{_STRING}|{_NO_TEXT})"
_LONGEST_SHAPE = 32
"""Rows of more values are read one by one."""
_ROW = re.compile(rf"\(\s*+{_LITERAL}(?:\s*+,\s*+{_LITERAL})*+\s*+\)\s*+", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(_LITERAL, re.IGNORECASE | re.DOTALL)
_NOTHING = re.compile(r"(?!)")
_COMMA = re.compile(r",\s*+")
_END = re.compile(r"[;\s]*+\Z")
_PAIR = re.compile(r"\\.|''", re.DOTALL)
_QUOTED = re.compile(_STRING, re.DOTALL)


@dataclass(frozen=True)
class Rows:
    """An INSERT up to its first row, and the rest of its rows as Spark reads them.

    `texts` has the positions of the values that are strings in some row, `width` how many values each row has: None
    where not all have as many.
    """

    head: str
    tail: str
    texts: frozenset[int]
    width: int | None


def split(text: str) -> Rows | None:
    """Return the rows of an INSERT that has nothing but literals; None for anything else."""
    if len(text) < MIN_LENGTH or "\0" in text:
        return None
    head = _HEAD.match(text)
    first = _ROW.match(text, head.end()) if head else None
    if first is None:
        return None
    position = first.end()
    count, texts = len(_VALUE.findall(first.group())), _texts(first.group())
    shape = _shape(count, frozenset(texts))
    is_even = True
    while comma := _COMMA.match(text, position):
        planning_time.check()
        if alike := shape.match(text, position):
            position = alike.end()
            continue
        row = _ROW.match(text, comma.end())
        if row is None:
            return None
        found = _texts(row.group())
        is_even = is_even and len(_VALUE.findall(row.group())) == count
        shape = shape if found <= texts else _shape(count, frozenset(texts | found))
        texts |= found
        position = row.end()
    if not _END.match(text, position) or position == first.end():
        return None
    tail = _with_backslashes(text[first.end() : position])
    return Rows(text[: first.end()], tail, frozenset(texts), count if is_even else None)


def values_of(rows: str) -> list[str]:
    """Return the literals of rows that have nothing else, as they are written, one row after the other."""
    return _VALUE.findall(_with_backslashes(rows))


def _with_backslashes(rows: str) -> str:
    """Write doubled quotes in strings with a backslash: Spark would take them for two strings side by side."""
    return _QUOTED.sub(_escaped, rows) if "''" in rows else rows


def texts_of(tree: exp.Expr | None) -> frozenset[int]:
    """Return at which positions the rows of a VALUES have a literal string."""
    if not isinstance(tree, exp.Values):
        return frozenset()
    rows = (row.expressions if isinstance(row, exp.Tuple) else [row] for row in tree.expressions)
    return frozenset(index for row in rows for index, value in enumerate(row) if is_text(value))


def is_text(node: exp.Expr) -> bool:
    """Return whether an expression is a literal string."""
    return isinstance(node, exp.Literal) and bool(node.is_string)


@lru_cache(maxsize=256)
def _shape(count: int, texts: frozenset[int]) -> re.Pattern[str]:
    """Return what reads many rows of so many values at once, with strings nowhere but at the positions of `texts`."""
    if count > _LONGEST_SHAPE:
        return _NOTHING
    values = r"\s*+,\s*+".join(_LITERAL if index in texts else _NO_TEXT for index in range(count))
    return re.compile(rf"(?:,\s*+\(\s*+{values}\s*+\)\s*+){{1,64}}+", re.IGNORECASE | re.DOTALL)


def _texts(row: str) -> set[int]:
    return {index for index, value in enumerate(_VALUE.finditer(row)) if value.group().startswith("'")}


def _escaped(match: re.Match[str]) -> str:
    literal = match.group()
    if "''" not in literal[1:-1]:
        return literal
    return "'" + _PAIR.sub(lambda pair: "\\'" if pair.group() == "''" else pair.group(), literal[1:-1]) + "'"

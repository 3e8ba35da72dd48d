"""Rows of literals as columns of texts, each of one type: data for DuckDB, not SQL that it would have to parse."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from icefield_sql.lang import planning_time
from icefield_sql.lang.types import (
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    MAX_PRECISION,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    VOID,
    Type,
    common,
    decimal,
)

from .errors import Untranslatable

MAX_LENGTH = 4 * 1024 * 1024
"""Characters of rows: as values they take some fifteen times as much memory for a moment."""
Texts = list[str | None]

_INT_DIGITS, _BIGINT_DIGITS = 9, 18
"""So many digits always fit."""
_INT_MAX, _BIGINT_MAX = 2**31, 2**63
_MOMENT = re.compile(
    r"(?i)(?P<word>DATE|TIMESTAMP_NTZ|TIMESTAMP)\s*'(?P<text>\d{4}-\d\d-\d\d"
    r"(?P<time>[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)'"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class LiteralColumn:
    """A column of literals: the type that Spark gives it, and its values as texts that can be cast to that."""

    type: Type
    texts: Texts


def columns_of(values: Sequence[str], width: int) -> list[LiteralColumn]:
    """Return the columns of rows.

    Args:
        values: the literals as they are written in Spark SQL, row after row.
        width: how many there are in each row.

    Raises:
        Untranslatable: a column is not all of one kind, or of one that means something else to DuckDB.
    """
    return [_column(values[index::width]) for index in range(width)]


def _column(values: Sequence[str]) -> LiteralColumn:
    planning_time.check()
    firsts = {value[0] for value in values}
    has_nulls = bool(firsts & {"N", "n"})
    firsts -= {"N", "n"}
    for read, own in _READERS:
        if firsts <= own:
            return read(values, has_nulls)
    raise Untranslatable("a column of rows has values of several kinds.")


def _nothing(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    return LiteralColumn(VOID, [None] * len(values))


def _strings(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    texts: Texts = [value[1:-1] if value[0] == "'" else None for value in values]
    if any(text and "\\" in text for text in texts):
        texts = [_ESCAPE.sub(_unescaped, text) if text else text for text in texts]
    return LiteralColumn(STRING, texts)


def _unescaped(match: re.Match[str]) -> str:
    if match[1] not in "'\\":
        raise Untranslatable("a string with a backslash.")
    return match[1]


def _numbers(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    texts: Texts = [None if value[0] in "Nn" else value for value in values] if has_nulls else list(values)
    given = [text for text in texts if text is not None]
    joined = " ".join(given)
    if "e" in joined or "E" in joined:
        return LiteralColumn(DOUBLE, texts)
    return LiteralColumn(_exact(given, "." in joined), texts)


def _exact(texts: list[str], has_fractions: bool) -> Type:
    """Return the type that numbers without exponents have together."""
    if not has_fractions:
        return _integers(texts)
    wholes, scales, has_integers = 0, 0, False
    for text in texts:
        whole, point, fraction = text.lstrip("+-").partition(".")
        wholes, scales = max(wholes, len(whole.lstrip("0"))), max(scales, len(fraction))
        has_integers = has_integers or not point
    if has_integers:  # they count as decimals of all the digits that their type may have
        whole_type = _integers([text for text in texts if "." not in text])
        kind = common([whole_type, decimal(max(wholes + scales, 1), scales)])
        if kind is None or kind.precision - kind.scale + scales > MAX_PRECISION or kind.scale != scales:
            raise Untranslatable("numbers that have too many digits together.")
        return kind
    if wholes + scales > MAX_PRECISION:
        raise Untranslatable("numbers that have too many digits together.")
    return decimal(max(wholes + scales, 1), scales)


def _integers(texts: list[str]) -> Type:
    longest = max(map(len, texts))
    if longest <= _INT_DIGITS:
        return INT
    if longest > _BIGINT_DIGITS or max(abs(int(text)) for text in texts) >= _BIGINT_MAX:
        raise Untranslatable("integers of many digits.")
    return INT if max(abs(int(text)) for text in texts) < _INT_MAX else Type("bigint")


def _booleans(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    words = [value.upper() for value in values]
    if not set(words) <= {"TRUE", "FALSE", "NULL"}:
        return _moments(values, has_nulls)
    return LiteralColumn(BOOLEAN, [None if word == "NULL" else word for word in words])


def _binaries(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    texts: Texts = [None if value[0] in "Nn" else value[2:-1] for value in values]
    if any(text and len(text) % 2 for text in texts):
        raise Untranslatable("a binary literal of half a byte.")
    return LiteralColumn(BINARY, texts)


def _moments(values: Sequence[str], has_nulls: bool) -> LiteralColumn:
    texts: Texts = []
    words = set()
    for value in values:
        if value[0] in "Nn":
            texts.append(None)
            continue
        match = _MOMENT.fullmatch(value)
        word = match["word"].upper() if match else ""
        if match is None or bool(match["time"]) is (word == "DATE") or (match["zone"] and word != "TIMESTAMP"):
            raise Untranslatable("a date or time that is not written in full.")
        words.add(word)
        texts.append(match["text"])
    if len(words) != 1:
        raise Untranslatable("a column of rows has values of several kinds.")
    return LiteralColumn(_MOMENT_TYPES[words.pop()], texts)


_MOMENT_TYPES = {"DATE": DATE, "TIMESTAMP": TIMESTAMP, "TIMESTAMP_NTZ": TIMESTAMP_NTZ}
_READERS: tuple[tuple[Callable[[Sequence[str], bool], LiteralColumn], frozenset[str]], ...] = (
    (_nothing, frozenset()),
    (_strings, frozenset("'")),
    (_numbers, frozenset("+-.0123456789")),
    (_booleans, frozenset("TtFf")),
    (_binaries, frozenset("Xx")),
    (_moments, frozenset("DdTt")),
)
"""What reads a column, by the characters that its values begin with."""

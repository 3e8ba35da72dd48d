"""CAST as Spark does it in ANSI mode: fractions are cut off, and a string that is no such value is an error."""

from __future__ import annotations

import re

from icefield_sql.lang.quoting import quote_standard_string
from icefield_sql.lang.types import FRACTIONS, INTEGERS, NUMBERS, STRING, TIMES, Type, duckdb_name
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, failure

_INTEGER = r"[+-]?\d+"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_SUFFIX = r"([0-9.])[dDfF]$"
"""What Java's Double.parseDouble, and so Spark, allows after a number."""
_FLOAT = _NUMBER + r"[dDfF]?|(?i:nan|[+-]?inf(inity)?)"
_DATE = r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?"
_TIMESTAMP = r"\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})?)?"
_NAIVE = r"\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}:\d{2}(\.\d{1,6})?)?"
_PATTERNS = {
    **dict.fromkeys(INTEGERS, _INTEGER),
    **dict.fromkeys(FRACTIONS, _FLOAT),
    "decimal": _NUMBER,
    "date": _DATE,
    "timestamp": _TIMESTAMP,
    "timestamp_ntz": _NAIVE,
}
"""What a string has to look like, a part of what Spark reads; the rest of that (`2024-01` for a date) is an error."""

_SIMPLE = frozenset(
    {(a, b) for a in INTEGERS for b in (*INTEGERS, *FRACTIONS, "decimal", "boolean")}
    | {(a, b) for a in FRACTIONS for b in (*FRACTIONS, "boolean")}
    | {("decimal", b) for b in (*FRACTIONS, "decimal", "boolean")}
    | {("boolean", b) for b in (*INTEGERS, *FRACTIONS, "decimal")}
    | {("date", "timestamp"), ("date", "timestamp_ntz"), ("timestamp", "date"), ("timestamp_ntz", "date")}
    | {("timestamp", "timestamp_ntz"), ("timestamp_ntz", "timestamp")}
)
"""Casts that both engines do alike."""


def cast(argument: Argument, target: Type, *, safe: bool = False) -> str:
    """Return DuckDB's text for `CAST(argument AS target)`; `safe` for TRY_CAST.

    Raises:
        Untranslatable: the engines differ.
    """
    source = argument.type
    if source is None:
        raise Untranslatable(f"a cast to {target} of something whose type is not known.")
    word = "TRY_CAST" if safe else "CAST"
    name = duckdb_name(target)
    if source == target:
        return argument.sql
    if source.kind == "void" or (source.kind, target.kind) in _SIMPLE:
        return f"{word}({argument.sql} AS {name})"
    if target.kind == "string":
        return as_text(argument)
    if source.kind == "string":
        return _from_text(argument, target, safe)
    return _converted(argument, source, target, word)


def _converted(argument: Argument, source: Type, target: Type, word: str) -> str:
    name = duckdb_name(target)
    if target.kind in INTEGERS and source.kind in (*FRACTIONS, "decimal"):
        return f"{word}(trunc({argument.sql}) AS {name})"
    if target.kind == "decimal" and source.kind in FRACTIONS:
        finite = f"(CASE WHEN isfinite({argument.sql}) THEN {argument.sql} END)"
        return f"{word}(CAST({finite} AS VARCHAR) AS {name})"
    if source.kind in TIMES and target.kind in NUMBERS and target.kind != "decimal":
        seconds = f"epoch({argument.sql})"
        return f"{word}({seconds if target.kind in FRACTIONS else f'floor({seconds})'} AS {name})"
    if source.kind in INTEGERS and target.kind == "timestamp":
        return f"to_timestamp({argument.sql})"
    if source.kind == target.kind == "array" and (source.inner[0].kind, target.inner[0].kind) in _SIMPLE:
        return f"{word}({argument.sql} AS {name})"
    raise Untranslatable(f"a cast of {source} to {target}.")


def as_text(argument: Argument) -> str:
    """Return DuckDB's text for an argument as a string, written as Spark writes values.

    Raises:
        Untranslatable: the engines write it differently.
    """
    source = argument.type
    if source is None:
        raise Untranslatable("a cast to string of something whose type is not known.")
    if source.kind in ("string", "void"):
        return argument.sql if source == STRING else f"CAST({argument.sql} AS VARCHAR)"
    if source.kind in (*INTEGERS, "decimal", "boolean", "date", "timestamp_ntz"):
        return f"CAST({argument.sql} AS VARCHAR)"
    if source.kind == "timestamp":
        return f"CAST(CAST({argument.sql} AS TIMESTAMP) AS VARCHAR)"
    raise Untranslatable(f"how a {source.kind} is written as a string.")


def _from_text(argument: Argument, target: Type, safe: bool) -> str:
    name = duckdb_name(target)
    if target.kind == "boolean":
        return _to_boolean(argument.sql, safe)
    if target.kind == "binary":
        return f"encode({argument.sql})"
    pattern = _PATTERNS.get(target.kind)
    if pattern is None:
        raise Untranslatable(f"a cast of a string to {target}.")
    if (moment := _moment(argument.literal, target)) is not None:
        return f"{'TRY_CAST' if safe else 'CAST'}('{moment}' AS {name})"
    trimmed = f"trim({argument.sql}, {_SPACE})"
    if (value := argument.literal) is not None and re.fullmatch(pattern, value.strip()):
        text = quote_standard_string(_read_part(value.strip(), target))
        return f"{'TRY_CAST' if safe else 'CAST'}({text} AS {name})"
    value_sql = _read_part_sql(trimmed, target)
    converted = f"{'TRY_CAST' if safe else 'CAST'}({value_sql} AS {name})"
    otherwise = "NULL" if safe else _invalid(argument.sql, target)
    return (
        f"(CASE WHEN {argument.sql} IS NULL THEN NULL "
        f"WHEN regexp_full_match({trimmed}, {quote_standard_string(pattern)}) THEN {converted} ELSE {otherwise} END)"
    )


def _read_part(value: str, target: Type) -> str:
    """Return what of a string Spark reads for a type."""
    if target.kind == "date":
        return re.split("[ T]", value)[0]
    return re.sub(_SUFFIX, r"\1", value) if target.kind in FRACTIONS else value


def _read_part_sql(text: str, target: Type) -> str:
    if target.kind == "date":
        return f"regexp_extract({text}, '^[^ T]*')"
    return f"regexp_replace({text}, '{_SUFFIX}', '\\1')" if target.kind in FRACTIONS else text


_SPACE = "' ' || chr(9) || chr(10) || chr(13)"


def _moment(value: str | None, target: Type) -> str | None:
    """Return a literal date or time in full, as Spark completes it: `2024-03` is the first of March."""
    parts = _PARTIAL.fullmatch((value or "").strip())
    if parts is None or target.kind not in ("date", "timestamp", "timestamp_ntz"):
        return None
    year, month, day, hour, minute, second, fraction, zone = parts.groups()
    text = f"{year}-{int(month or 1):02}-{int(day or 1):02}"
    if target.kind == "date":
        return text
    text += f" {int(hour or 0):02}:{int(minute or 0):02}:{int(second or 0):02}{fraction or ''}"
    return text + (zone or "") if target.kind == "timestamp" else None if zone else text


_PARTIAL = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?)?)?"
)


def _invalid(sql: str, target: Type) -> str:
    message = quote_standard_string(
        f"' of the type string cannot be cast to {str(target).upper()} because it is malformed."
    )
    return f"error('[CAST_INVALID_INPUT] The value ''' || {sql} || {message})"


def _to_boolean(sql: str, safe: bool) -> str:
    otherwise = (
        "NULL" if safe else failure("CAST_INVALID_INPUT", "A string that is no boolean cannot be cast to BOOLEAN.")
    )
    word = f"lower(trim({sql}, {_SPACE}))"
    return (
        f"(CASE WHEN {sql} IS NULL THEN NULL WHEN {word} IN ('t', 'true', 'y', 'yes', '1') THEN TRUE "
        f"WHEN {word} IN ('f', 'false', 'n', 'no', '0') THEN FALSE ELSE {otherwise} END)"
    )

"""Options of files: DuckDB's, and Spark's where their names differ.

DuckDB: "CSV Import", "JSON Loading", "Reading and Writing Parquet Files"; Spark: "CSV Files", "JSON Files".
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.types import parse_type, spark_name

from .model import Value

BOOLEAN, INTEGER, TEXT, TEXTS, TYPES = "true or false", "an integer", "a string", "strings", "types of columns"

_COMMON = {"filename": BOOLEAN, "hive_partitioning": BOOLEAN, "union_by_name": BOOLEAN}
_CSV = {
    **_COMMON,
    "all_varchar": BOOLEAN, "allow_quoted_nulls": BOOLEAN, "auto_detect": BOOLEAN, "auto_type_candidates": TEXTS,
    "columns": TYPES, "comment": TEXT, "compression": TEXT, "dateformat": TEXT, "decimal_separator": TEXT,
    "delim": TEXT, "encoding": TEXT, "escape": TEXT, "force_not_null": TEXTS, "header": BOOLEAN,
    "ignore_errors": BOOLEAN, "max_line_size": INTEGER, "names": TEXTS, "new_line": TEXT,
    "normalize_names": BOOLEAN, "null_padding": BOOLEAN, "nullstr": TEXTS, "parallel": BOOLEAN, "quote": TEXT,
    "sample_size": INTEGER, "skip": INTEGER, "strict_mode": BOOLEAN, "thousands": TEXT, "timestampformat": TEXT,
    "types": TYPES,
}  # fmt: skip
_JSON = {
    **_COMMON,
    "auto_detect": BOOLEAN, "columns": TYPES, "compression": TEXT, "convert_strings_to_integers": BOOLEAN,
    "dateformat": TEXT, "format": TEXT, "ignore_errors": BOOLEAN, "map_inference_threshold": INTEGER,
    "maximum_depth": INTEGER, "maximum_object_size": INTEGER, "records": TEXT, "sample_size": INTEGER,
    "timestampformat": TEXT,
}  # fmt: skip
_PARQUET = {**_COMMON, "binary_as_string": BOOLEAN, "file_row_number": BOOLEAN}
OPTIONS: dict[str, dict[str, str]] = {"csv": _CSV, "json": _JSON, "parquet": _PARQUET}
"""DuckDB's options that may be given, with what each takes."""

_SPARK_NAMES = {
    "csv": {
        "sep": "delim", "delimiter": "delim", "nullvalue": "nullstr", "charset": "encoding", "schema": "columns",
        "linesep": "new_line", "skiprows": "skip", "mergeschema": "union_by_name", "timestampntzformat":
        "timestampformat", "date_format": "dateformat", "timestamp_format": "timestampformat",
    },
    "json": {
        "schema": "columns", "mergeschema": "union_by_name", "date_format": "dateformat",
        "timestamp_format": "timestampformat",
    },
    "parquet": {"mergeschema": "union_by_name"},
}  # fmt: skip
_SPARK_OWN = {"csv": ("inferschema", "multiline", "mode"), "json": ("multiline", "mode"), "parquet": ()}
"""Spark's options that are other options of DuckDB by their value."""
_FORMATS_OF_TIMES = ("dateformat", "timestampformat")
_STRPTIME = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "M": "%m",
    "d": "%d", "H": "%H", "h": "%I", "SSS": "%g", "SSSSSS": "%f", "MMM": "%b", "MMMM": "%B", "a": "%p", "EEE": "%a",
    "EEEE": "%A", "XXX": "%z", "Z": "%z",
}  # fmt: skip
"""Letters of Spark's patterns of dates and times as strptime's."""
MAX_OPTION_BYTES = 256 * 1024 * 1024


def options_of(kind: str, given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """Return options as DuckDB takes them, by name.

    Args:
        kind: csv, json or parquet.
        given: the options as a statement has them; names are compared without case.

    Raises:
        SqlError: one is unknown, given twice, or has another value than it takes.
    """
    found: dict[str, Value] = {}
    for name, value in given.items():
        for own, taken in _duckdb(kind, name, value):
            if own in found:
                raise SqlError(f"The option {own} of files is given twice.")
            found[own] = taken
    return tuple(sorted(found.items()))


def _duckdb(kind: str, name: str, value: Value) -> list[tuple[str, Value]]:
    lowered = name.lower()
    if lowered in _SPARK_OWN[kind]:
        return _by_value(kind, lowered, value)
    own = _SPARK_NAMES[kind].get(lowered, lowered)
    if own not in OPTIONS[kind]:
        known = [*OPTIONS[kind], *_SPARK_NAMES[kind], *_SPARK_OWN[kind]]
        near = get_close_matches(lowered, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(sorted(OPTIONS[kind]))}."
        raise SqlError(f"Files of format {kind} have no option {name[:80]}; {hint}")
    return [(own, taken(name, OPTIONS[kind][own], _strptime(value) if own in _FORMATS_OF_TIMES else value))]


def _by_value(kind: str, name: str, value: Value) -> list[tuple[str, Value]]:
    if name == "mode":
        modes: dict[str, list[tuple[str, Value]]] = {
            "FAILFAST": [], "DROPMALFORMED": [("ignore_errors", True)],
        }  # fmt: skip
        if str(value).upper() not in modes:
            raise SqlError("The option mode of files is FAILFAST (as without it) or DROPMALFORMED.")
        return modes[str(value).upper()]
    chosen = taken(name, BOOLEAN, value)
    if name == "inferschema":
        return [] if chosen else [("all_varchar", True)]
    if kind == "csv":
        return []  # DuckDB reads values over several lines anyway
    return [("format", "array" if chosen else "newline_delimited")]


def taken(name: str, takes: str, value: Value) -> Value:
    """Return a value as its option takes it; a string may say what is no string, as in FORMAT_OPTIONS.

    Raises:
        SqlError: it is none that the option takes.
    """
    if takes == BOOLEAN:
        spelled = {"true": True, "false": False}.get(str(value).lower())
        if spelled is not None:
            return spelled
    elif takes == INTEGER:
        number = int(value) if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 10 else value
        if isinstance(number, int) and not isinstance(number, bool) and -1 <= number <= MAX_OPTION_BYTES:
            return number
    elif takes == TEXT and isinstance(value, str):
        return value
    elif takes == TEXTS:
        texts = (value,) if isinstance(value, str) else value
        if isinstance(texts, tuple) and all(isinstance(text, str) for text in texts):
            return texts
    elif takes == TYPES:
        return _types(name, value)
    raise SqlError(f"The option {name} of files takes {takes}.")


def _types(name: str, value: Value) -> Value:
    """Return types by the names of columns, from a map or from Spark's `a INT, b STRING`."""
    if isinstance(value, str):
        whole = parse_type(f"struct<{value}>")
        if len(whole.names) != _fields(value):
            raise SqlError(f"The types of columns {value[:200]!r} are not known.")
        return tuple((field, spark_name(kind)) for field, kind in zip(whole.names, whole.inner, strict=True))
    if isinstance(value, tuple) and value and all(isinstance(pair, tuple) for pair in value):
        return tuple((str(field), spark_name(parse_type(str(kind)))) for field, kind in map(tuple, value))
    raise SqlError(f"The option {name} of files takes types of columns, as in schema => 'id INT, name STRING'.")


def _fields(text: str) -> int:
    """Return how many columns a list of them has, by the commas outside of its brackets and quotes."""
    depth, count, is_quoted = 0, 1, False
    for character in text:
        is_quoted ^= character == "`"
        if not is_quoted:
            depth += (character in "<(") - (character in ">)")
            count += character == "," and depth == 0
    return count


def _strptime(value: Value) -> Value:
    """Return the pattern of a date or time for strptime; one with a % is that already."""
    if not isinstance(value, str) or "%" in value:
        return value
    out, at = [], 0
    while at < len(value):
        end = at + 1
        while end < len(value) and value[end] == value[at]:
            end += 1
        letters = value[at:end]
        if value[at] == "'":
            close = value.find("'", at + 1)
            out.append(value[at + 1 : close] if close > at + 1 else "'")
            end = close + 1 if close > at else len(value)
        elif letters[0].isalpha():
            if letters not in _STRPTIME:
                raise SqlError(f"The pattern {value!r} has the letters {letters}, which cannot be read.")
            out.append(_STRPTIME[letters])
        else:
            out.append(letters)
        at = end
    return "".join(out)

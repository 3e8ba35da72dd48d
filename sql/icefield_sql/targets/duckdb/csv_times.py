"""Times with a zone in CSV files, which DuckDB reads as NULL, without an error, where the text is no time.

So they are read as text and cast. Where a format of times is given, DuckDB reads them right without a zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from icefield_sql.analysis.files.model import FileRead
from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.types import parse_type, spark_name

_ZONED = "timestamp"


def is_zoned(kind: str) -> bool:
    """Return whether a type, by its name in Spark, is a time with a zone."""
    return spark_name(parse_type(kind)) == _ZONED


def readable_type(read: FileRead, kind: str) -> str:
    """Return the type, by its name in Spark, as which a call reads a column that becomes one of this type."""
    if read.format != "csv" or not is_zoned(kind):
        return kind
    return "timestamp_ntz" if "timestampformat" in dict(read.options) else "string"


def readable(read: FileRead, zoned: Collection[str]) -> FileRead:
    """Return a call that reads these columns, which are times with a zone, as what can be cast to one."""
    return _with_types(read, dict.fromkeys(zoned, readable_type(read, _ZONED))) if zoned else read


def locating(read: FileRead, zoned: Iterable[str]) -> FileRead:
    """Return a call, of one that keeps bad rows, that keeps those whose texts in these columns are no times.

    DuckDB keeps them in tables of their own, and times with the name of a zone among them.
    """
    typed = _with_types(read, dict.fromkeys(zoned, "timestamp_ntz"))
    options = {**dict(typed.options), "rejects_table": "located_errors", "rejects_scan": "located_scans"}
    return replace(typed, options=tuple(sorted(options.items())))


def are_times(read: FileRead, zoned: Iterable[str]) -> str:
    """Return the condition that the texts of these columns are times; empty where DuckDB sees to that."""
    if readable_type(read, _ZONED) != "string":
        return ""
    names = map(quote_standard, sorted(zoned))
    return " AND ".join(f"({name} IS NULL OR TRY_CAST({name} AS TIMESTAMPTZ) IS NOT NULL)" for name in names)


def _with_types(read: FileRead, types: dict[str, str]) -> FileRead:
    options = dict(read.options)
    by_name = {name.lower(): kind for name, kind in types.items()}
    key = "columns" if "columns" in options else "types"
    given = [(str(name), str(kind)) for name, kind in map(tuple, options.get(key) or ())]  # type: ignore[arg-type]
    replaced = [(name, by_name.get(name.lower(), kind)) for name, kind in given]
    known = {name.lower() for name, _ in given}
    added = (
        [] if key == "columns" else [(name, kind) for name, kind in sorted(types.items()) if name.lower() not in known]
    )
    return replace(read, options=tuple(sorted({**options, key: (*replaced, *added)}.items())))

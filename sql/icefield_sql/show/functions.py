"""SHOW FUNCTIONS: what may be called, of what kind it is, and which engines answer it."""

from __future__ import annotations

from collections.abc import Collection

from icefield_sql.lang import functions

from .patterns import matcher
from .rows import Row, values

_COLUMNS = ("function", "kind", "engines")
_KINDS = (
    ("aggregate", functions.AGGREGATES),
    ("window", functions.WINDOWS),
    ("generator", functions.GENERATORS),
    ("table", functions.TABLE_FUNCTIONS),
)


def function_rows(pattern: str | None, on_duckdb: Collection[str]) -> str:
    """Return the DuckDB query that answers SHOW FUNCTIONS.

    Args:
        pattern: LIKE of SHOW; None for all.
        on_duckdb: those that DuckDB answers as Spark does, by their lower-case names; Spark answers all.

    Raises:
        SqlError: the pattern is too long.
    """
    matches = matcher(pattern)
    names = sorted(functions.ALLOWED | functions.TABLE_FUNCTIONS)
    rows: list[Row] = [
        (name, _kind(name), "duckdb, spark" if name in on_duckdb else "spark") for name in names if matches(name)
    ]
    return values(_COLUMNS, rows)


def _kind(name: str) -> str:
    return next((kind for kind, names in _KINDS if name in names), "scalar")

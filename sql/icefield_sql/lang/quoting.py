"""Identifiers and strings in the quotes of each engine.

Not sqlglot's generator: it costs a hundred times as much, is called for every quoted token of a statement, and its
instances cannot be shared between threads.
"""

from __future__ import annotations

from collections.abc import Iterable


def quote(identifier: str) -> str:
    """Return an identifier in Spark's quotes."""
    return "`" + identifier.replace("`", "``") + "`"


def quote_all(parts: Iterable[str]) -> str:
    """Return a dotted name in Spark's quotes."""
    return ".".join(quote(part) for part in parts)


def quote_string(value: str) -> str:
    """Return a string literal of Spark."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_standard(identifier: str) -> str:
    """Return an identifier in the quotes of standard SQL, which DuckDB reads."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_standard_string(value: str) -> str:
    """Return a string literal of standard SQL, which DuckDB and Polars read."""
    return "'" + value.replace("'", "''") + "'"

"""Queries: Polars SQL over named tables."""

from __future__ import annotations

import re

import polars as pl
from polars.exceptions import PolarsError, SQLInterfaceError, SQLSyntaxError

from .errors import WorkloadError, told
from .outcome import Kind
from .tables import Tables
from .workload import Workload

_COMMENT = re.compile(r"\s+|--[^\n]*|/\*.*?\*/|\(", re.DOTALL)
_READS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE", "EXPLAIN", "SHOW"})
_NO_TABLE = "was not found"


def run(workload: Workload, tables: Tables) -> pl.LazyFrame:
    """Plan a query over its tables.

    Raises:
        WorkloadError: a table is not there or cannot be read; UNSUPPORTED_SQL; Polars' SQL does not know this.
        PolarsError: the query does not fit its tables.
    """
    verb = first_word(workload.text)
    if verb not in _READS:
        raise WorkloadError(Kind.UNSUPPORTED_SQL, f"Polars SQL reads only, and this begins with {verb or 'nothing'}")
    context = pl.SQLContext(tables.scan_all(workload.tables), eager=False)
    try:
        frame = context.execute(workload.text)
        frame.collect_schema()
    except (SQLSyntaxError, SQLInterfaceError) as error:
        raise WorkloadError(_kind(error), told(error)) from error
    return frame


def first_word(sql: str) -> str:
    """Return the word a statement begins with, in capitals, behind comments and parentheses."""
    position = 0
    while skipped := _COMMENT.match(sql, position):
        position = skipped.end()
    word = re.match(r"\w+", sql[position : position + 64])
    return word.group().upper() if word else ""


def _kind(error: PolarsError) -> str:
    return Kind.QUERY if isinstance(error, SQLInterfaceError) and _NO_TABLE in str(error) else Kind.UNSUPPORTED_SQL

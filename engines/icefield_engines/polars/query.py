"""Queries: Polars SQL over named tables."""

from __future__ import annotations

import re

import polars as pl
from polars.exceptions import PolarsError, SQLInterfaceError, SQLSyntaxError

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload

from .errors import WorkloadError, describe
from .tables import Tables

_COMMENT = re.compile(r"\s+|--[^\n]*|/\*.*?\*/|\(", re.DOTALL)
_READS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE", "EXPLAIN", "SHOW"})
_NO_TABLE = "was not found"


def run(workload: Workload, tables: Tables) -> pl.LazyFrame:
    """Plan a query over its tables.

    Raises:
        WorkloadError: a table is not there or cannot be read; UNSUPPORTED_SQL; Polars' SQL does not know this.
        PolarsError: the query does not fit its tables.
    """
    keyword = first_keyword(workload.text)
    if keyword not in _READS:
        raise WorkloadError(
            FailureKind.UNSUPPORTED_SQL, f"Polars SQL reads only, and this begins with {keyword or 'nothing'}"
        )
    context = pl.SQLContext(tables.scan_all(workload.tables), eager=False)
    try:
        frame = context.execute(workload.text)
        frame.collect_schema()
    except (SQLSyntaxError, SQLInterfaceError) as error:
        raise WorkloadError(_kind(error), describe(error)) from error
    return frame


def first_keyword(sql: str) -> str:
    """Return the first keyword of a statement, in capitals, behind comments and parentheses."""
    position = 0
    while skipped := _COMMENT.match(sql, position):
        position = skipped.end()
    found = re.match(r"\w+", sql[position : position + 64])
    return found.group().upper() if found else ""


def _kind(error: PolarsError) -> str:
    return (
        FailureKind.QUERY
        if isinstance(error, SQLInterfaceError) and _NO_TABLE in str(error)
        else FailureKind.UNSUPPORTED_SQL
    )

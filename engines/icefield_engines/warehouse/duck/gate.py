"""The gateway's own look at SQL for DuckDB, whatever let it through before: one statement, and it reads."""

from __future__ import annotations

import re

import duckdb

from icefield_engines.warehouse.errors import Code, EngineError

_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?\b", re.IGNORECASE)
_SPELLED_OUT = re.compile(r"\s*(SELECT|WITH|FROM|VALUES|\()", re.IGNORECASE)
"""SHOW, DESCRIBE, SUMMARIZE, PRAGMA and PIVOT are SELECT to DuckDB, too."""


def refuse_unless_read(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is not one SELECT, or the EXPLAIN of one.

    Raises:
        EngineError: STATEMENT_NOT_ALLOWED.
        duckdb.Error: it does not parse.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise EngineError(Code.STATEMENT_NOT_ALLOWED, "One statement at a time is run.")
    if statements[0].type == duckdb.StatementType.EXPLAIN and (explain := _EXPLAIN.match(sql)):
        refuse_unless_read(connection, sql[explain.end() :])
        return
    if statements[0].type != duckdb.StatementType.SELECT or not _SPELLED_OUT.match(sql):
        raise EngineError(Code.STATEMENT_NOT_ALLOWED, "The warehouse's DuckDB runs nothing but reads.")

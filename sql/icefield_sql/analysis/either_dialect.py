"""A statement in Spark SQL or else in DuckDB's own SQL: one of both parses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError, TakesTooLong
from icefield_sql.lang.names import Names, TableName

from .parse import PARSE_SECONDS, parse
from .qualify import qualify
from .statement import Statement

ICEFIELD, DUCKDB = "icefield", "duckdb"


@dataclass(frozen=True)
class QualifiedStatement:
    """A statement whose request may give tables other names.

    Attributes:
        statement: its parse.
        text: the statement with the full names of these tables.
    """

    statement: Statement
    text: str


def parse_either(
    text: str,
    names: Names,
    bound: Mapping[str, TableName],
    *,
    prefer_duckdb: bool = False,
) -> QualifiedStatement:
    """Parse a statement in the dialect that reads it.

    Args:
        text: one statement.
        names: how its names are read.
        bound: tables by the names that the request gives them.
        prefer_duckdb: whether DuckDB's dialect is tried first: Polars spells strings as it does, not as Spark does.

    Raises:
        TakesTooLong: reading it takes more than a second in all, or than its caller has left.
        SqlError: neither dialect reads it, or it is not allowed; the message is that of our own dialect.
    """
    with planning_time.refused_after(PARSE_SECONDS):
        return _either(text, names, bound, prefer_duckdb)


def _either(text: str, names: Names, bound: Mapping[str, TableName], prefer_duckdb: bool) -> QualifiedStatement:
    known = names.binding(bound)
    refusals: dict[str, SqlError] = {}
    for dialect in (DUCKDB, ICEFIELD) if prefer_duckdb else (ICEFIELD, DUCKDB):
        try:
            statement = parse(text, known, dialect=dialect)
        except TakesTooLong:
            raise
        except SqlError as error:
            refusals[dialect] = error
            continue
        return QualifiedStatement(statement, qualify(statement, known.bound) if bound else text)
    raise refusals[ICEFIELD]

"""Views of the catalog: their text is held to the rules of a statement, whoever wrote it, on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot.dialects.dialect import Dialects
from sqlglot.errors import ErrorLevel, SqlglotError

from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError, TakesTooLong
from icefield_sql.lang.lexing import lex
from icefield_sql.lang.names import Names
from icefield_sql.lang.timed import timed, written

from .model import View
from .parse import PARSE_SECONDS, parse
from .projections import output_names
from .statement import Statement

MAX_LENGTH = 256 * 1024
"""Longest text of a view, in characters."""
QUERY_COLUMN_NAMES = "spark.query-column-names"
"""Property in which Spark records what a view's query called its columns (Iceberg, SparkView)."""

_TOO_LONG = "Its text takes too long to read."
_OWN = ("spark", "icefield")
_KNOWN = frozenset(dialect.value for dialect in Dialects if dialect.value)


@dataclass(frozen=True)
class ViewColumns:
    """The columns that a view yields.

    Args:
        names: their names, in order.
        sources: what its query calls each of them; None where they are the query's columns by position.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...] | None = None


def read_view(view: View, names: Names) -> Statement:
    """Return the parsed query of a view, in any dialect that can be written as Spark's.

    Args:
        view: the view.
        names: how the names of the statement that reads it are read.

    Raises:
        TakesTooLong: reading it, and writing it as Spark's, takes more than a second, or than its caller has left.
        SqlError: it cannot be read, or is not allowed.
    """
    with planning_time.refused_after(PARSE_SECONDS, _TOO_LONG):
        try:
            return _read(view, names)
        except TakesTooLong:
            raise TakesTooLong(_TOO_LONG) from None


def _read(view: View, names: Names) -> Statement:
    if len(view.sql) > MAX_LENGTH:
        raise SqlError(f"Its text is longer than {MAX_LENGTH} characters.")
    dialect = view.dialect.lower()
    text = view.sql if dialect in _OWN else _in_spark(view.sql, dialect)
    aliases = names.aliases | {view.default_catalog} if view.default_catalog else names.aliases
    statement = parse(text, Names(names.catalog, aliases, tuple(view.default_namespace) or None))
    if statement.command != "SELECT":
        raise SqlError("Its text is not a query.")
    if statement.file_reads:
        raise SqlError("It reads files, which only a statement itself may.")
    return statement


def columns_of(view: View, statement: Statement) -> ViewColumns | None:
    """Return the columns that a view yields; None where they are those of its query.

    The columns of a `*` may have become others since the view was made, so those that it recorded are found by their
    names; all others are where they were (Iceberg, "View Spec": the schema of a view's version names its columns).

    Args:
        view: the view.
        statement: its parsed query.
    """
    names = tuple(column.name for column in view.columns)
    own = output_names(statement.tree) if statement.tree is not None else []
    if not names or own == list(names):
        return None
    if None not in own:
        return ViewColumns(names)
    sources = _sources(view, names, own)
    is_ambiguous = len({source.lower() for source in sources}) < len(sources)
    return ViewColumns(names, None if is_ambiguous else sources)


def _sources(view: View, names: tuple[str, ...], own: Sequence[str | None]) -> tuple[str, ...]:
    """Return what the query of a view calls its columns: recorded names, but our own for what no `*` stands for."""
    recorded = view.properties.get(QUERY_COLUMN_NAMES, "").split(",")
    sources = recorded if len(recorded) == len(names) else list(names)
    head = [name for name in own[: own.index(None)] if name is not None]
    tail = [name for name in own[len(own) - own[::-1].index(None) :] if name is not None]
    if len(head) + len(tail) > len(sources):
        return tuple(sources)
    return (*head, *sources[len(head) : len(sources) - len(tail)], *tail)


def _in_spark(text: str, dialect: str) -> str:
    """Return a text of another dialect in Spark's."""
    if dialect not in _KNOWN:
        raise SqlError(f"Its dialect {dialect[:40]!r} is not known.")
    source = lex(text, dialect=dialect)
    try:
        trees = timed(dialect).parser(error_level=ErrorLevel.IMMEDIATE).parse(list(source.tokens), text)
        texts = [
            written(tree, "spark", copy=False, comments=False, unsupported_level=ErrorLevel.RAISE)
            for tree in trees
            if tree
        ]
    except SqlError:
        raise
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, LookupError):
        # sqlglot's grammars stumble over some odd texts
        raise SqlError(f"Its text, in the dialect {dialect}, cannot be written as Spark SQL.") from None
    if len(texts) != 1:
        raise SqlError("Its text is not one query.")
    return texts[0]

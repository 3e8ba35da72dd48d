"""Values on their way into columns: clients write dates, numbers and booleans as strings, which Spark would refuse.

Spark assigns a string to nothing but a string (ANSI store assignment, which Iceberg tables insist on), so a literal
string takes the type of the column it is meant for by an explicit CAST; one that is no such value is Spark's own error.
"""

from __future__ import annotations

from sqlglot import exp

from icefield_sql.analysis.bulk import is_text
from icefield_sql.analysis.model import Column, Table
from icefield_sql.analysis.statement import Statement
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits, SourceText
from icefield_sql.lang.quoting import quote, quote_string
from icefield_sql.lang.types import parse_type, spark_name

_TEXT = ("string", "varchar", "char")


def selected(statement: Statement, target: Table) -> list[str] | None:
    """Return what to select from the rows of an INSERT's VALUES, by Spark's names for them (col1, col2, …).

    None where the rows can go in as they are.
    """
    by_name = {column.name.lower(): column for column in target.columns}
    names = statement.columns if statement.columns is not None else tuple(column.name for column in target.columns)
    columns = [by_name.get(name.lower()) for name in names]
    if not any(index < len(columns) and _needs_cast(columns[index]) for index in statement.texts):
        return None
    return [_value(f"col{index + 1}", column, index in statement.texts) for index, column in enumerate(columns)]


def cast_assignments(tree: exp.Expr | None, target: Table, source: SourceText, edits: Edits) -> None:
    """Give the strings that an UPDATE assigns the types of their columns."""
    if not isinstance(tree, exp.Update):
        return
    by_name = {column.name.lower(): column for column in target.columns}
    tokens = {token.end: token for token in source.tokens}
    for assignment in tree.expressions:
        if not isinstance(assignment, exp.EQ) or not is_text(assignment.expression):
            continue
        column, token = by_name.get(assignment.this.name.lower()), tokens.get(assignment.expression.meta.get("end", -1))
        if column and token and _needs_cast(column):
            edits.replace(token.start, token.end, f"CAST({quote_string(token.text)} AS {spark_type(column)})")


def spark_type(column: Column) -> str | None:
    """Return a column's type in our own words; None for one that Spark SQL has no name for."""
    try:
        return spark_name(parse_type(column.type))
    except SqlError:
        return None


def _value(name: str, column: Column | None, is_text: bool) -> str:
    if column is None or not is_text or not _needs_cast(column):
        return quote(name)
    return f"CAST({quote(name)} AS {spark_type(column)})"


def _needs_cast(column: Column | None) -> bool:
    return column is not None and not column.type.startswith(_TEXT) and spark_type(column) is not None

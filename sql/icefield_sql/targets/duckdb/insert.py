"""The rows of an INSERT for DuckDB: a query that yields the columns of the table, in the types of the table.

What Spark does with a value on its way into a column (its ANSI store assignment, which Iceberg tables insist on), or
something stricter: a value that DuckDB refuses is written, or refused, by Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from icefield_sql.analysis.bulk import values_of
from icefield_sql.analysis.model import Append, Column, Table
from icefield_sql.analysis.resolve import Resolved
from icefield_sql.analysis.statement import Statement
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.timed import written
from icefield_sql.lang.types import BINARY, FRACTIONS, INTEGERS, NUMBERS, STRING, VOID, Type, duckdb_name, parse_type

from .errors import Untranslatable
from .literal_rows import MAX_LENGTH, columns_of
from .query import tree_and_columns
from .translation.argument import Argument, raw
from .translation.casts import as_text, cast

_MOMENTS = ("date", "timestamp", "timestamp_ntz")
_EXACT_DOUBLE_DIGITS = 15
"""Decimals of more digits are not divided exactly on their way to a double."""
LITERALS = "literals"
"""The table that has the rows of literals, which the gateway makes."""
Literals = tuple[list[str | None], ...]


@dataclass(frozen=True)
class _Source:
    """Where the rows come from: what follows FROM, the types of its columns c0, c1, …, and its literals."""

    sql: str
    types: tuple[Type | None, ...]
    literals: Literals = ()


def append_obstacle(resolved: Resolved, statement: Statement) -> str | None:
    """Return why an INSERT is not written by DuckDB, whatever its rows are; None where it may be."""
    target = resolved.objects.get(statement.writes[0]) if statement.writes else None
    if statement.command != "INSERT":
        return f"{statement.command} is no INSERT INTO."
    if not statement.is_by_position:
        return "the columns are given by PARTITION or BY NAME."
    if not isinstance(target, Table) or target.schema_id is None:
        return "the target is no table."
    if target.append_obstacle:
        return target.append_obstacle
    known = {column.name.lower() for column in target.columns}
    given = [name.lower() for name in statement.columns or ()]
    if len(known) != len(target.columns) or len(set(given)) != len(given) or not known >= set(given):
        return "the list of columns is not one of columns of the table."
    if statement.columns is not None and any(not column.nullable for column in _missing(statement, target)):
        return "a column that needs a value is left out."
    return None


def to_append(resolved: Resolved, statement: Statement) -> tuple[str, Append, Literals]:
    """Return the query of an INSERT's rows in DuckDB's SQL, the table that they go to, and the literals that it reads.

    Raises:
        Untranslatable: Spark has to write it.
    """
    if obstacle := append_obstacle(resolved, statement):
        raise Untranslatable(obstacle)
    target = resolved.objects[statement.writes[0]]
    assert isinstance(target, Table)  # noqa: S101 - what append_obstacle says
    assert target.schema_id is not None  # noqa: S101 - and this
    source = _literals(statement) if statement.tail else _query(resolved, statement)
    names = [column.name for column in target.columns] if statement.columns is None else list(statement.columns)
    if len(names) != len(source.types):
        raise Untranslatable("its query has another number of columns.")
    positions = {name.lower(): index for index, name in enumerate(names)}
    values = [_value(column, positions.get(column.name.lower()), source, statement) for column in target.columns]
    pairs = zip(values, target.columns, strict=True)
    chosen = ", ".join(f"{value} AS {quote_standard(column.name)}" for value, column in pairs)
    append = Append(statement.writes[0], target.uuid, target.schema_id, target.spec_id, target.metadata_location)
    return f"SELECT {chosen} FROM {source.sql}", append, source.literals  # noqa: S608 - text of ours


def _query(resolved: Resolved, statement: Statement) -> _Source:
    tree, columns = tree_and_columns(resolved, statement)
    if columns is None:
        raise Untranslatable("the columns of its query are not known.")
    text = written(tree, "duckdb", copy=False, comments=False, normalize_functions=False)
    listed = ", ".join(f"c{index}" for index in range(len(columns)))
    return _Source(f"({text}) AS _rows({listed})", tuple(kind for _, kind in columns))


def _literals(statement: Statement) -> _Source:
    if statement.width is None:
        raise Untranslatable("its rows have different numbers of values.")
    if len(statement.tail) > MAX_LENGTH:
        raise Untranslatable("it has many rows.")
    first = statement.source.text[statement.source.tokens[statement.body].end + 1 :]
    columns = columns_of(values_of(first + statement.tail), statement.width)
    return _Source(LITERALS, tuple(column.type for column in columns), tuple(column.texts for column in columns))


def _missing(statement: Statement, target: Table) -> list[Column]:
    given = {name.lower() for name in statement.columns or ()}
    return [column for column in target.columns if column.name.lower() not in given]


def _value(column: Column, position: int | None, source: _Source, statement: Statement) -> str:
    """Return what a column gets, in DuckDB's SQL; NULL where the statement leaves it out."""
    try:
        kind = parse_type(column.type)
    except SqlError:
        raise Untranslatable(f"the type of the column {column.name} is not known.") from None
    if position is None:
        return f"CAST(NULL AS {duckdb_name(kind)})"
    given = source.types[position]
    if given is None:
        raise Untranslatable(f"the type of what the column {column.name} gets is not known.")
    argument = Argument(exp.column(f"c{position}"), given)
    if given == STRING and kind != STRING and position in statement.texts:
        return cast(argument, kind)
    if source.literals and given not in (STRING, VOID):
        if kind.kind in FRACTIONS and given.kind in (*INTEGERS, "decimal"):
            return f"CAST({argument.sql} AS {duckdb_name(kind)})"  # as exact as Spark's, which has all the digits
        argument = Argument(_typed(argument, given), given)
    return stored(argument, given, kind)


def _typed(argument: Argument, kind: Type) -> exp.Expr:
    """Return the text of a literal as a value."""
    return raw(f"from_hex({argument.sql})" if kind == BINARY else f"CAST({argument.sql} AS {duckdb_name(kind)})")


def stored(argument: Argument, source: Type, target: Type) -> str:
    """Return a value of one type as a column of another type keeps it, in DuckDB's SQL.

    Raises:
        Untranslatable: Spark refuses it, or does it in another way.
    """
    name = duckdb_name(target)
    if source.kind == "void":
        return f"CAST(NULL AS {name})"
    if source == target:
        return f"CAST({argument.sql} AS {name})"
    if source.kind == "decimal" and source.precision > _EXACT_DOUBLE_DIGITS and target.kind in FRACTIONS:
        raise Untranslatable(f"a {source} as a {target}.")
    are_numbers = source.kind in NUMBERS and target.kind in NUMBERS
    if are_numbers or (source.kind in _MOMENTS and target.kind in _MOMENTS):
        return cast(argument, target)
    if target == STRING and not source.inner:
        return as_text(argument)
    raise Untranslatable(f"a {source} as a {target}.")

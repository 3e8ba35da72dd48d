"""The rows of a COPY INTO for DuckDB: the columns of files as the columns of the table, in the table's types."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from icefield_sql.analysis.files.copy_into import CopyInto
from icefield_sql.analysis.files.model import FileRead, FileSet, Value
from icefield_sql.analysis.model import Append, BadRows, Column, Compiled, Engine, Table
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.types import duckdb_name, parse_type, spark_name

from . import csv_times
from .files import call

_UNNAMED = re.compile(r"column\d+")
_SHOWN_COLUMNS = 20


def is_by_position(read: FileRead, columns: Sequence[Column]) -> bool:
    """Return whether files have no names of their columns: CSV without a header."""
    return read.format == "csv" and all(_UNNAMED.fullmatch(column.name) for column in columns)


def new_columns(copy: CopyInto, target: Table, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of files that a table does not have."""
    if is_by_position(copy.read, columns):
        return ()
    known = {column.name.lower() for column in target.columns}
    return tuple(column for column in columns if column.name.lower() not in known)


def compile_copy(copy: CopyInto, target: Table, found: FileSet) -> Compiled:
    """Return a COPY INTO as a query whose rows are appended.

    Args:
        copy: the statement.
        target: its table, to which new columns have been added where that is wanted.
        found: the files that are to be loaded.

    Raises:
        SqlError: the columns do not match, or DuckDB cannot write the table.
    """
    if target.append_obstacle or target.schema_id is None:
        reason = target.append_obstacle or "it has no schema."
        raise SqlError(f"COPY INTO cannot write {copy.target}: {reason}")
    if unknown := new_columns(copy, target, found.columns):
        raise SqlError(
            f"The files have columns that {copy.target} does not have: {_listed(unknown)}; add them with "
            "COPY_OPTIONS ('mergeSchema' = 'true')."
        )
    sources = _matched(copy, target, found.columns)
    values = [_value(column, sources.get(column.name)) for column in target.columns]
    text = f"SELECT {', '.join(values)} FROM {_rows(copy, target, sources, found)}"  # noqa: S608 - text of ours
    append = Append(copy.target, target.uuid, target.schema_id, target.spec_id, target.metadata_location)
    files = tuple(path.text for path in copy.read.paths)
    bad_rows = BadRows(copy.max_bad_rows, copy.bad_rows_path) if copy.max_bad_rows else None
    return Compiled(Engine.DUCKDB, text, True, written=(copy.target,), files=files, append=append, bad_rows=bad_rows)


def _matched(copy: CopyInto, target: Table, columns: Sequence[Column]) -> dict[str, Column]:
    """Return the column of the files that each column of the table gets: by name, or by position without names."""
    if is_by_position(copy.read, columns):
        if len(columns) > len(target.columns):
            raise SqlError(
                f"The files have {len(columns)} columns without names, and {copy.target} has {len(target.columns)}."
            )
        return {column.name: source for column, source in zip(target.columns, columns, strict=False)}
    by_name = {column.name.lower(): column for column in columns}
    sources = {column.name: by_name[column.name.lower()] for column in target.columns if column.name.lower() in by_name}
    if not sources:
        raise SqlError(f"The files have no column of {copy.target}; they have: {_listed(columns)}.")
    return sources


def _value(column: Column, source: Column | None) -> str:
    if source is None and not column.nullable:
        raise SqlError(f"The files have no column {column.name}, which needs a value.")
    kind = duckdb_name(parse_type(column.type))
    text = "NULL" if source is None else quote_standard(source.name)
    return f"CAST({text} AS {kind}) AS {quote_standard(column.name)}"


def _rows(copy: CopyInto, target: Table, sources: dict[str, Column], found: FileSet) -> str:
    """Return what gives the rows in FROM, and which of them are read."""
    urls = [file.url for file in found.files]
    typed, zoned = _typed(copy.read, target, sources, found)
    read = _keeping_bad_rows(csv_times.readable(typed, zoned), copy.max_bad_rows)
    are_times = csv_times.are_times(read, zoned)
    if not are_times or not (copy.max_bad_rows or dict(read.options).get("ignore_errors")):
        return call(read, urls)
    if not copy.max_bad_rows:
        return f"{call(read, urls)} WHERE {are_times}"
    # A second call, of these columns alone, for the lines of what is left out.
    counts = " + ".join(f"count({quote_standard(name)})" for name in sorted(zoned))
    located = f"(SELECT {counts} AS read FROM {call(csv_times.locating(read, zoned), urls)}) AS located"  # noqa: S608
    return f"{call(read, urls)}, {located} WHERE {are_times} AND located.read IS NOT NULL"


def _typed(
    read: FileRead, target: Table, sources: dict[str, Column], found: FileSet
) -> tuple[FileRead, Collection[str]]:
    """Return the call with the types of the table, so that a value of another type is reported with its line.

    Returns:
        The call, and the columns of the files that are times with a zone.
    """
    options = dict(read.options)
    if read.format != "csv" or not {"columns", "types", "all_varchar"}.isdisjoint(options):
        return read, found.zoned
    kinds = {column.name: parse_type(column.type) for column in target.columns}
    types = {source.name: spark_name(kinds[name]) for name, source in sources.items() if not kinds[name].inner}
    zoned = [name for name, kind in types.items() if csv_times.is_zoned(kind)]
    given = {**options, "types": tuple(types.items())} if types else options
    return replace(read, options=tuple(sorted(given.items()))), zoned


def _keeping_bad_rows(read: FileRead, most: int) -> FileRead:
    """Return the call with which DuckDB leaves out rows that it cannot read, and keeps them."""
    if not most:
        return read
    # DuckDB does not keep them where it brings files of different columns together.
    options = {**_without_union(read), "store_rejects": True}
    return replace(read, options=tuple(sorted(options.items())))


def lenient(copy: CopyInto) -> FileRead:
    """Return the call with which the columns of files are found, whose rows may be bad where those are left out."""
    if not copy.max_bad_rows:
        return copy.read
    return replace(copy.read, options=tuple(sorted({**_without_union(copy.read), "ignore_errors": True}.items())))


def _without_union(read: FileRead) -> dict[str, Value]:
    return {name: value for name, value in read.options if name != "union_by_name"}


def _listed(columns: Sequence[Column]) -> str:
    shown = ", ".join(column.name for column in columns[:_SHOWN_COLUMNS])
    return shown if len(columns) <= _SHOWN_COLUMNS else f"{shown}, …"

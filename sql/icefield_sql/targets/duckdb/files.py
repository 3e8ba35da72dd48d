"""Reading files with DuckDB: the call for exact files, and what gives their columns Spark's types."""

from __future__ import annotations

from collections.abc import Sequence

from icefield_sql.analysis.files.copy_to import FileExport
from icefield_sql.analysis.files.model import FileRead, FileSet, StoredFile, Value
from icefield_sql.analysis.model import Column, Export
from icefield_sql.lang.quoting import quote_standard, quote_standard_string
from icefield_sql.lang.types import duckdb_name, parse_type

from . import csv_times


def describing_query(read: FileRead, urls: Sequence[str]) -> str:
    """Return the query, in DuckDB's SQL, whose columns are those of files."""
    return f"SELECT * FROM {call(read, urls)} LIMIT 0"  # noqa: S608 - written by us


def described_files(read: FileRead, files: tuple[StoredFile, ...], described: Sequence[tuple[str, str]]) -> FileSet:
    """Return files with their columns in Spark's types.

    Text that looks like a time is a timestamp (Spark, "CSV Files": inferSchema); what Parquet says it is, it stays.

    Args:
        read: the call.
        files: what it reads.
        described: name and type of each column, as the describing query has them.
    """
    typed = [(name, "string" if kind == "void" else kind) for name, kind in described]
    if read.format == "parquet":
        return FileSet(files, tuple(Column(name, kind) for name, kind in typed))
    columns = tuple(Column(name, kind.replace("timestamp_ntz", "timestamp")) for name, kind in typed)
    zoned = frozenset(name for name, kind in typed if read.format == "csv" and csv_times.is_zoned(kind))
    return FileSet(files, columns, zoned)


def first_rows_query(read: FileRead, found: FileSet, rows: int) -> str:
    """Return the query, in DuckDB's SQL, of the first rows of files."""
    return f"{typed_query(read, found)} LIMIT {rows}"


def typed_query(read: FileRead, found: FileSet) -> str:
    """Return the query, in DuckDB's SQL, of all rows of files, in Spark's types."""
    columns = ", ".join(map(_typed, found.columns))
    source = call(csv_times.readable(read, found.zoned), [file.url for file in found.files])
    where = csv_times.are_times(read, found.zoned) if dict(read.options).get("ignore_errors") else ""
    return f"SELECT {columns} FROM {source}{where and f' WHERE {where}'}"  # noqa: S608 - written by us


def call(read: FileRead, urls: Sequence[str]) -> str:
    """Return the call, in DuckDB's SQL, that reads files at these addresses."""
    listed = ", ".join(quote_standard_string(url) for url in urls)
    options = "".join(f", {name} = {_literal(name, value)}" for name, value in read.options)
    return f"{read.function}([{listed}]{options})"


def compiled_export(export: FileExport) -> Export:
    """Return where rows are written, with the options as DuckDB reads them."""
    options = ", ".join(f"{name.upper()} {_literal(name, value)}" for name, value in export.options)
    return Export(export.path, export.format, options)


def _typed(column: Column) -> str:
    name = quote_standard(column.name)
    return f"CAST({name} AS {duckdb_name(parse_type(column.type))}) AS {name}"


def _literal(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quote_standard_string(value)
    if name in ("columns", "types"):
        pairs = (
            f"{quote_standard_string(str(field))}: {quote_standard_string(duckdb_name(parse_type(str(kind))))}"
            for field, kind in map(tuple, value)
        )
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(quote_standard_string(str(item)) for item in value)}]"

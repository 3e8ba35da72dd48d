"""The SQL language: Spark SQL in, a plan for an engine out. This module is the only one that others import.

`parse` is pure and refuses what is not allowed; `resolve` asks the catalog; `compile` is pure again. A statement is
parsed once: everything later works on the `Statement` that `parse` returned.
"""

from .analysis.column_uses import ColumnLineage, ColumnUse
from .analysis.either_dialect import QualifiedStatement, parse_either
from .analysis.files.copy_into import CopyInto
from .analysis.files.model import FileRead, FileReader, FileSet, StoredFile
from .analysis.model import (
    Append,
    BadRows,
    CatalogReader,
    Column,
    Compiled,
    Engine,
    Export,
    GrantRow,
    Kind,
    Snapshot,
    Source,
    Table,
    View,
)
from .analysis.parse import parse
from .analysis.resolve import Resolved, resolve
from .analysis.sources import sources_of
from .analysis.statement import GrantChange, Show, Statement
from .analysis.views import read_view
from .compile import check_names, compile, tables_read  # noqa: A004 - the word for it
from .lang.errors import SqlError, TakesTooLong, UnresolvedName
from .lang.file_paths import FilePath, FilePattern
from .lang.literals import Params
from .lang.names import METADATA_TABLES, Names, TableName, parse_schema
from .lang.properties import property_problem
from .lang.quoting import quote_all
from .messages.engine_errors import EngineMessage, explain
from .messages.written_text import MAX_LENGTH as MAX_EXPLAINED_TEXT
from .messages.written_text import WrittenText
from .targets.duckdb.copy_into import compile_copy, lenient, new_columns
from .targets.duckdb.files import described_files, describing_query
from .targets.polars.query import BoundTable, PolarsLimits, PolarsQuery, polars_obstacle, to_polars

__all__ = [
    "MAX_EXPLAINED_TEXT",
    "METADATA_TABLES",
    "Append",
    "BadRows",
    "BoundTable",
    "CatalogReader",
    "Column",
    "ColumnLineage",
    "ColumnUse",
    "Compiled",
    "CopyInto",
    "Engine",
    "EngineMessage",
    "Export",
    "FilePath",
    "FilePattern",
    "FileRead",
    "FileReader",
    "FileSet",
    "GrantChange",
    "GrantRow",
    "Kind",
    "Names",
    "Params",
    "PolarsLimits",
    "PolarsQuery",
    "QualifiedStatement",
    "Resolved",
    "Show",
    "Snapshot",
    "Source",
    "SqlError",
    "Statement",
    "StoredFile",
    "Table",
    "TableName",
    "TakesTooLong",
    "UnresolvedName",
    "View",
    "WrittenText",
    "check_names",
    "compile",
    "compile_copy",
    "described_files",
    "describing_query",
    "explain",
    "lenient",
    "new_columns",
    "parse",
    "parse_either",
    "parse_schema",
    "polars_obstacle",
    "property_problem",
    "quote_all",
    "read_view",
    "resolve",
    "sources_of",
    "tables_read",
    "to_polars",
]

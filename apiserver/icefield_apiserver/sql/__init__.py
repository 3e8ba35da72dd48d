"""The plan of a SQL statement: one parse says what it does and names; then it is written for the engine that runs it.

`parse` is pure and refuses what is not allowed; `resolve` asks the catalog; `compile` is pure again.
"""

from .compile import check_names, compile, tables_read  # noqa: A004 - the word for it
from .errors import SqlError, UnresolvedName
from .literals import Params
from .model import CatalogReader, Column, Compiled, Engine, Kind, Snapshot, Table, View
from .names import METADATA_TABLES, Names, TableName, parse_schema
from .parse import parse
from .polars import BoundTable, PolarsQuery, to_polars
from .resolve import Resolved, resolve
from .statement import Show, Statement

__all__ = [
    "METADATA_TABLES",
    "BoundTable",
    "CatalogReader",
    "Column",
    "Compiled",
    "Engine",
    "Kind",
    "Names",
    "Params",
    "PolarsQuery",
    "Resolved",
    "Show",
    "Snapshot",
    "SqlError",
    "Statement",
    "Table",
    "TableName",
    "UnresolvedName",
    "View",
    "check_names",
    "compile",
    "parse",
    "parse_schema",
    "resolve",
    "tables_read",
    "to_polars",
]

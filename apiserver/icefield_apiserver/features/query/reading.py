"""The SQL of a query: one parse, in our SQL or else in DuckDB's own, with the tables that the request names. Pure.

Our SQL is Spark's (icefield_sql). Users who come from DuckDB write what Spark does not know, so a text that is no
statement of ours may be one of DuckDB's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import icefield_sql as sql
from icefield_apiserver.core.errors import BadRequest
from icefield_crds import Workspace
from icefield_sql import TableName

from .decision import QueryKind
from .domain import TableAlias

DEFAULT_DATABASE = "default"

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = {
    sql.Kind.READ: QueryKind.READ,
    sql.Kind.WRITE: QueryKind.WRITE,
    sql.Kind.METADATA: QueryKind.METADATA,
    sql.Kind.TRANSACTION: QueryKind.METADATA,
    sql.Kind.GRANT: QueryKind.METADATA,
}


@dataclass(frozen=True)
class ParsedQuery:
    """The SQL of a query, parsed.

    Attributes:
        statement: its parse.
        text: the same with every table named in full that the request calls otherwise.
    """

    statement: sql.Statement
    text: str

    @property
    def kind(self) -> QueryKind:
        """What kind of statement it is."""
        return _KINDS[self.statement.kind]

    @property
    def dialect(self) -> str:
        """icefield, or duckdb for what only DuckDB reads."""
        return self.statement.dialect


def names_of(workspace: Workspace) -> sql.Names:
    """Return how names are read that a request gives outside of SQL; those without a database are of `default`."""
    return sql.Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases), (DEFAULT_DATABASE,))


def table_of(text: str, names: sql.Names) -> TableName:
    """Return the table that a dotted name means, such as `oleander.default.flowers`.

    Raises:
        BadRequest: it can mean none of this workspace.
    """
    try:
        return names.table([part.strip().strip('"`') for part in text.split(".")])
    except sql.SqlError as error:
        raise BadRequest(error.sentence) from error


def binding_of(entry: TableAlias, names: sql.Names) -> tuple[str, TableName]:
    """Return (alias, table) of a table under another name; without an alias, under the table's own.

    Raises:
        BadRequest: it is not a table of this workspace, or not an alias.
    """
    table = table_of(entry.table, names)
    return checked_alias(table.name if entry.alias is None else entry.alias), table


def checked_alias(alias: str) -> str:
    """Return an alias.

    Raises:
        BadRequest: nothing can be called so.
    """
    if not _ALIAS.fullmatch(alias):
        raise BadRequest(
            f"Field tables: {alias!r} is no alias; write alias=namespace.table with letters, digits and underscores."
        )
    return alias


def read(text: str, names: sql.Names, bound: Mapping[str, TableName], *, for_polars: bool = False) -> ParsedQuery:
    """Parse a query.

    Args:
        text: one statement.
        names: how its names are read.
        bound: tables by the names that the request gives them.
        for_polars: whether it is in Polars' dialect, whose strings are spelled as in DuckDB's, not as in Spark's.

    Raises:
        BadRequest: it does not parse, or is not allowed.
    """
    try:
        parsed = sql.parse_either(text, names, bound, prefer_duckdb=for_polars)
    except sql.SqlError as error:
        raise BadRequest(error.sentence) from error
    return ParsedQuery(parsed.statement, parsed.text)

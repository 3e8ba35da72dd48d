"""What a query says: one parse, in our SQL or else in DuckDB's own, with the tables that the request names. Pure.

Our SQL is Spark's (icefield_apiserver.sql). People who come from DuckDB write what that does not know, so a text that
is no query of ours may be one of DuckDB's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from icefield_apiserver import sql
from icefield_apiserver.errors import BadRequest
from icefield_apiserver.sql.names import Names, TableName
from icefield_apiserver.sql.polars import qualified
from icefield_crds import Workspace

from .decision import Source

DEFAULT_DATABASE = "default"
ICEFIELD, DUCKDB = "icefield", "duckdb"

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCES = {
    sql.Kind.READ: Source.QUERY,
    sql.Kind.WRITE: Source.CHANGE,
    sql.Kind.METADATA: Source.NOTICE,
    sql.Kind.TRANSACTION: Source.NOTICE,
}


@dataclass(frozen=True)
class BoundNames(Names):
    """Names of a request that calls tables otherwise.

    Args:
        bound: the tables by these names, which are in lower case.
    """

    bound: Mapping[str, TableName] = field(default_factory=dict)

    def table(self, parts: Iterable[str]) -> TableName:
        """Return the table that dotted parts mean."""
        given = list(parts)
        if len(given) == 1 and (found := self.bound.get(given[0].lower())):
            return found
        return super().table(given)


@dataclass(frozen=True)
class Asked:
    """SQL that was sent.

    Attributes:
        statement: its parse.
        text: the same with every table named in full that the request calls otherwise.
    """

    statement: sql.Statement
    text: str

    @property
    def source(self) -> Source:
        """What kind of statement it is."""
        return _SOURCES[self.statement.kind]

    @property
    def dialect(self) -> str:
        """icefield, or duckdb for what only DuckDB reads."""
        return self.statement.dialect


def names_of(workspace: Workspace) -> Names:
    """Return how names are read that a request gives outside of SQL; those without a database are of `default`."""
    return Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases), (DEFAULT_DATABASE,))


def table_of(text: str, names: Names) -> TableName:
    """Return the table that a dotted name means, such as `oleander.default.flowers`.

    Raises:
        BadRequest: it can mean none of this workspace.
    """
    try:
        return names.table([part.strip().strip('"`') for part in text.split(".")])
    except sql.SqlError as error:
        raise BadRequest(error.sentence) from error


def binding_of(entry: str, names: Names) -> tuple[str, TableName]:
    """Return (alias, table) of `alias=namespace.table`, or of `namespace.table`, whose alias is the table's name.

    Raises:
        BadRequest: it is neither.
    """
    alias, equals, table = entry.rpartition("=")
    name = table_of(table.strip(), names)
    return checked_alias(alias.strip() if equals else name.name), name


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


def read(text: str, names: Names, bound: Mapping[str, TableName], *, for_polars: bool = False) -> Asked:
    """Parse a query.

    Args:
        text: one statement.
        names: how its names are read.
        bound: tables by the names that the request gives them.
        for_polars: whether it is in Polars' dialect, whose texts are spelled as in DuckDB's, not as in Spark's.

    Raises:
        BadRequest: it does not parse, or is not allowed.
    """
    known = BoundNames(names.catalog, names.aliases, names.schema, {k.lower(): table for k, table in bound.items()})
    refusals: dict[str, sql.SqlError] = {}
    for dialect in (DUCKDB, ICEFIELD) if for_polars else (ICEFIELD, DUCKDB):
        try:
            statement = sql.parse(text, known, dialect=dialect)
        except sql.SqlError as error:
            refusals[dialect] = error
            continue
        return Asked(statement, qualified(statement, known.bound) if bound else text)
    raise BadRequest(refusals[ICEFIELD].sentence) from refusals[ICEFIELD]

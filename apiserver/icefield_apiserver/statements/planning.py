"""From a request to what an engine runs: one parse, the catalog, then the engine's own SQL (icefield_apiserver.sql)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from cachetools import LRUCache

from icefield_apiserver import sql
from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.errors import BadRequest
from icefield_apiserver.sql.errors import SqlError
from icefield_apiserver.sql.model import Compiled, Kind, Table
from icefield_apiserver.sql.names import Names, parse_schema
from icefield_crds import Workspace

ASIDE_LENGTH = 8 * 1024
"""A longer text is parsed and compiled in a thread: it would hold up every other request."""
REMEMBERED = 512
"""How many texts are remembered parsed, and compiled: what dashboards and applications ask, they ask again."""
_MOMENT = re.compile(r"(?i)\b(as\s+of|current_|now\b)")
"""What may mean something else at another time, so that it is compiled each time."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Request:
    """What makes a plan.

    Attributes:
        query: the text.
        dialect: icefield, or duckdb for a read in DuckDB's own.
        schema: the default database, or database.schema.
        params: values of the text's parameters.
        engine: auto, duckdb or spark.
        row_limit: most rows of the result.
    """

    query: str
    dialect: str = "icefield"
    schema: str | None = None
    params: list[Any] | dict[str, Any] | None = None
    engine: Literal["auto", "duckdb", "spark"] = "auto"
    row_limit: int | None = None

    def stored(self) -> dict[str, Any]:
        """Return what the database keeps besides the text and its dialect, as JSON."""
        return {"schema": self.schema, "params": self.params, "engine": self.engine, "row_limit": self.row_limit}


@dataclass(frozen=True)
class Parsed:
    """A request whose text was parsed.

    Attributes:
        key: what the statement is remembered under; None where it is not.
    """

    request: Request
    statement: sql.Statement
    key: Key | None = None

    @property
    def is_write(self) -> bool:
        """Whether it changes tables."""
        return self.statement.is_write

    @property
    def may_move_to_spark(self) -> bool:
        """Whether DuckDB was our choice, so that Spark may be asked where DuckDB cannot answer."""
        return self.request.engine == "auto" and self.statement.dialect == "icefield" and not self.is_write

    def on_spark(self) -> Parsed:
        """Return the same statement for Spark."""
        return Parsed(replace(self.request, engine="spark"), self.statement)

    @property
    def has_result(self) -> bool:
        """Whether it answers with rows: what writes does not, but for procedures."""
        if self.statement.kind is Kind.TRANSACTION:
            return False
        return not self.statement.is_write or self.statement.command == "CALL"


class Planner:
    """Parses and compiles statements.

    Args:
        catalogs: the workspaces' catalogs.
    """

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._parsed: LRUCache[Key, sql.Statement] = LRUCache(REMEMBERED)
        self._compiled: LRUCache[Key, Compiled] = LRUCache(REMEMBERED)

    async def parse(self, request: Request, workspace: Workspace) -> Parsed:
        """Parse a request.

        Raises:
            BadRequest: it does not parse, or is not allowed.
        """
        key = None if request.params or len(request.query) > ASIDE_LENGTH else _text_key(request, workspace)
        if key and (kept := self._parsed.get(key)):
            return Parsed(request, kept, key)
        try:
            if len(request.query) > ASIDE_LENGTH:
                statement = await asyncio.to_thread(_parse, request, workspace)
            else:
                statement = _parse(request, workspace)
        except SqlError as error:
            raise BadRequest(error.sentence) from error
        if key:
            self._parsed[key] = statement
        return Parsed(request, statement, key)

    async def compile(self, parsed: Parsed, workspace: Workspace) -> Compiled:
        """Look up what a statement names as it is now, and say it in its engine's SQL.

        Raises:
            UnresolvedName: it names something that is not there.
            SqlError: it asks what cannot be done.
            ApiError: the catalog is away.
        """
        request = parsed.request
        reader = self._catalogs.of(workspace.metadata.name).reader()
        resolved = await sql.resolve(parsed.statement, reader)
        if len(request.query) > ASIDE_LENGTH:
            return await asyncio.to_thread(sql.compile, resolved, request.engine, request.row_limit)
        key = _compiled_key(parsed, resolved)
        if key and (kept := self._compiled.get(key)):
            return kept
        compiled = sql.compile(resolved, request.engine, request.row_limit)
        if key:
            self._compiled[key] = compiled
        return compiled


def _parse(request: Request, workspace: Workspace) -> sql.Statement:
    plain = Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases))
    names = Names(plain.catalog, plain.aliases, parse_schema(request.schema, plain))
    return sql.parse(request.query, names, dialect=request.dialect, params=request.params)


def _text_key(request: Request, workspace: Workspace) -> Key:
    """Return everything that parsing a request without parameters depends on."""
    aliases = tuple(workspace.spec.catalog.aliases)
    return workspace.metadata.name, aliases, request.schema, request.dialect, request.query


def _compiled_key(parsed: Parsed, resolved: sql.Resolved) -> Key | None:
    """Return everything that compiling depends on; None where that is more than the text and its tables."""
    tables = resolved.objects
    if parsed.key is None or parsed.statement.kind is not Kind.READ or _MOMENT.search(parsed.request.query):
        return None
    if not all(isinstance(table, Table) for table in tables.values()):
        return None
    located = tuple((name, table.metadata_location) for name, table in tables.items() if isinstance(table, Table))
    return parsed.key, parsed.request.engine, parsed.request.row_limit, located

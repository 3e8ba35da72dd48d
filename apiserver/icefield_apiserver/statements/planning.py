"""From a request to what an engine runs: one parse, the catalog, then the engine's own SQL (icefield_apiserver.sql)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from icefield_apiserver import sql
from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.errors import BadRequest
from icefield_apiserver.sql.errors import SqlError
from icefield_apiserver.sql.model import Compiled
from icefield_apiserver.sql.names import Names, parse_schema
from icefield_crds import Workspace

PARSED_ASIDE_LENGTH = 8 * 1024
"""A longer text is parsed in a thread: it would hold up every other request."""


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
    """A request whose text was parsed."""

    request: Request
    statement: sql.Statement

    @property
    def is_write(self) -> bool:
        """Whether it changes tables."""
        return self.statement.is_write

    @property
    def has_result(self) -> bool:
        """Whether it answers with rows: what writes does not, but for procedures."""
        return not self.statement.is_write or self.statement.command == "CALL"


class Planner:
    """Parses and compiles statements.

    Args:
        catalogs: the workspaces' catalogs.
    """

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    async def parse(self, request: Request, workspace: Workspace) -> Parsed:
        """Parse a request.

        Raises:
            BadRequest: it does not parse, or is not allowed.
        """
        try:
            if len(request.query) > PARSED_ASIDE_LENGTH:
                return await asyncio.to_thread(_parse, request, workspace)
            return _parse(request, workspace)
        except SqlError as error:
            raise BadRequest(error.sentence) from error

    async def compile(self, parsed: Parsed, workspace: Workspace) -> Compiled:
        """Look up what a statement names as it is now, and say it in its engine's SQL.

        Raises:
            UnresolvedName: it names something that is not there.
            SqlError: it asks what cannot be done.
            ApiError: the catalog is away.
        """
        reader = self._catalogs.of(workspace.metadata.name).reader()
        resolved = await sql.resolve(parsed.statement, reader)
        asked = parsed.request.engine
        if len(parsed.request.query) > PARSED_ASIDE_LENGTH:
            return await asyncio.to_thread(sql.compile, resolved, asked, parsed.request.row_limit)
        return sql.compile(resolved, asked, parsed.request.row_limit)


def _parse(request: Request, workspace: Workspace) -> Parsed:
    plain = Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases))
    names = Names(plain.catalog, plain.aliases, parse_schema(request.schema, plain))
    return Parsed(request, sql.parse(request.query, names, dialect=request.dialect, params=request.params))

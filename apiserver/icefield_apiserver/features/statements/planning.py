"""From a request to the SQL that an engine runs: one parse, the catalog, one compile (icefield_sql)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

from cachetools import LRUCache

import icefield_sql as sql
from icefield_apiserver.core.catalog import Catalogs, SqlCatalogReader, granted_catalog
from icefield_apiserver.core.catalog.grants import access_of, shown_grants
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.planning_threads import LONG_TEXT, PlanningThreads
from icefield_crds import Workspace
from icefield_sql import Compiled, Kind, Names, SqlError, Table, parse_schema

from .requests import PlanRequest

CACHED_TEXT = 8 * 1024
"""A longer text is not cached."""
CACHED = 512
"""How many compiled statements are cached: dashboards and applications repeat theirs."""
CACHED_CHARACTERS = 128 * 1024
"""How long the texts of cached parsed statements are together."""
KEPT_ROWS = 128 * 1024
"""Characters of rows of literals that are kept with a statement until it ends."""
_TIME_DEPENDENT = re.compile(r"(?i)\b(as\s+of|current_|now\b)")

Key = tuple[Any, ...]


class Files(sql.FileReader, Protocol):
    """Files that statements read, found before they are needed."""

    async def find(self, reads: Iterable[sql.FileRead]) -> None:
        """Find the files that these calls read, with their columns, which `read` returns from then on.

        Raises:
            UnresolvedName: there are none, or their columns cannot be read.
            SqlError: they may not be read.
        """


@dataclass(frozen=True)
class Plan:
    """A statement compiled against its tables.

    Attributes:
        compiled: its text for the engine that runs it.
        made_at: when, by the event loop's clock.
    """

    compiled: Compiled
    made_at: float


@dataclass(frozen=True)
class Parsed:
    """A request whose text was parsed.

    Attributes:
        statement: its parse; of a long text the outline.
        key: its key in the caches; None where it is not cached.
        plan: the plan that it came with; None where it is still to be made.
    """

    request: PlanRequest
    statement: sql.Statement
    key: Key | None = None
    plan: Plan | None = None

    @staticmethod
    def of(request: PlanRequest, statement: sql.Statement, key: Key | None = None, plan: Plan | None = None) -> Parsed:
        """Return a parsed request, which keeps no more of its statement than is good for it."""
        return Parsed(request, kept(statement), key, plan)

    @property
    def is_whole(self) -> bool:
        """Whether `statement` can be compiled."""
        return bool(self.statement.source.tokens)

    @property
    def is_write(self) -> bool:
        """Whether it changes tables."""
        return self.statement.is_write

    @cached_property
    def repeated_key(self) -> Key | None:
        """What its compilation depends on besides its tables.

        None where it is not cached, or may depend on the time, so that it is compiled each time.
        """
        if (
            self.key is None
            or self.statement.file_reads
            or self.statement.export
            or _TIME_DEPENDENT.search(self.request.query)
        ):
            return None
        return self.key, self.request.engine, self.request.row_limit

    @property
    def may_move_to_spark(self) -> bool:
        """Whether the engine was chosen here, so that Spark may run what DuckDB cannot."""
        if self.statement.file_reads or self.statement.export:
            return False
        return self.request.engine == "auto" and self.statement.dialect == "icefield"

    def on_spark(self) -> Parsed:
        """Return the same statement for Spark."""
        return Parsed(replace(self.request, engine="spark"), self.statement)

    @property
    def has_result(self) -> bool:
        """Whether it answers with rows: what writes does not, but for procedures."""
        if self.statement.kind in (Kind.TRANSACTION, Kind.GRANT):
            return False
        return not self.statement.is_write or self.statement.command == "CALL"


class Planner:
    """Parses and compiles statements.

    Args:
        catalogs: the workspaces' catalogs.
        threads: where that is done.
    """

    def __init__(self, catalogs: Catalogs, threads: PlanningThreads) -> None:
        self._catalogs = catalogs
        self._threads = threads
        self._parsed: LRUCache[Key, sql.Statement] = LRUCache(CACHED_CHARACTERS, getsizeof=_length)
        self._compiled: LRUCache[Key, Compiled] = LRUCache(CACHED)

    async def parse(self, request: PlanRequest, workspace: Workspace) -> Parsed:
        """Parse a request.

        Raises:
            BadRequest: it does not parse, or is not allowed.
        """
        key = None if request.params or len(request.query) > CACHED_TEXT else _text_key(request, workspace)
        async with self._threads.room(workspace.metadata.name, request.length):
            try:
                return Parsed.of(request, await self._statement(request, workspace, key), key)
            except SqlError as error:
                raise BadRequest(error.sentence) from error

    async def compile(self, parsed: Parsed, workspace: Workspace, files: Files | None = None) -> Compiled:
        """Resolve a statement's names in the catalog as it is now, and compile it for its engine.

        Args:
            parsed: the statement.
            workspace: its workspace.
            files: the files that it may read; None for none.

        Raises:
            UnresolvedName: it names something that does not exist.
            SqlError: the engine asked for cannot run it.
            ApiError: the catalog is unavailable.
        """
        if files:  # may wait for a warehouse, so outside of the room for long texts
            await files.find(parsed.statement.file_reads)
        async with self._threads.room(workspace.metadata.name, parsed.request.length):
            return await self._compile(parsed, workspace, files)

    async def _compile(self, parsed: Parsed, workspace: Workspace, files: Files | None) -> Compiled:
        request, statement = parsed.request, parsed.statement
        if not parsed.is_whole:
            statement = await self._statement(request, workspace, parsed.key)
        access = access_of(workspace, request.subject)
        catalog = granted_catalog(self._catalogs, workspace.metadata.name, access)
        resolved = await sql.resolve(
            statement, SqlCatalogReader(catalog, partial(shown_grants, workspace, access)), files
        )
        key = _compiled_key(parsed, resolved)
        if key and (kept := self._compiled.get(key)):
            return kept
        compiled = await self._threads.run(
            workspace.metadata.name, sql.compile, resolved, request.engine, request.row_limit
        )
        if key:
            self._compiled[key] = compiled
        return compiled

    async def _statement(self, request: PlanRequest, workspace: Workspace, key: Key | None) -> sql.Statement:
        """Return the statement of a request, from the cache where it is there."""
        if key and (kept := self._parsed.get(key)):
            return kept
        statement = await self._threads.run(workspace.metadata.name, _parse, request, workspace)
        if key:
            self._parsed[key] = statement
        return statement


def kept(statement: sql.Statement) -> sql.Statement:
    """Return what of a statement is kept until it ends: itself, or its outline where its text is long.

    Many may wait for a warehouse; a long one is parsed again when it is compiled. Rows of literals are a text, no tree.
    """
    is_short = len(statement.source.text) <= LONG_TEXT and len(statement.tail) <= KEPT_ROWS
    return statement if is_short else statement.outline()


def _length(statement: sql.Statement) -> int:
    return len(statement.source.text) + len(statement.tail)


def _parse(request: PlanRequest, workspace: Workspace) -> sql.Statement:
    plain = Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases))
    names = Names(plain.catalog, plain.aliases, parse_schema(request.schema, plain))
    return sql.parse(request.query, names, dialect=request.dialect, params=request.params)


def _text_key(request: PlanRequest, workspace: Workspace) -> Key:
    """Return everything that parsing a request without parameters depends on."""
    aliases = tuple(workspace.spec.catalog.aliases)
    return workspace.metadata.name, aliases, request.schema, request.dialect, request.query


def _compiled_key(parsed: Parsed, resolved: sql.Resolved) -> Key | None:
    """Return everything that compiling depends on; None where that is more than the text and its tables."""
    tables = resolved.objects
    if parsed.repeated_key is None or parsed.statement.kind is not Kind.READ:
        return None
    if not all(isinstance(table, Table) for table in tables.values()):
        return None
    located = tuple((name, table.metadata_location) for name, table in tables.items() if isinstance(table, Table))
    return *parsed.repeated_key, located

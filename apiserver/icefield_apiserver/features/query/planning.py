"""From a query to the question which engine runs it: what it does, which tables it reads, and how large they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import icefield_sql as sql
from icefield_apiserver.core.catalog import Catalogs, DataAccess, IcebergCatalog, SqlCatalogReader, granted_catalog
from icefield_apiserver.core.catalog.concurrency import map_concurrently
from icefield_apiserver.core.catalog.model import LoadedTable
from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_apiserver.core.planning_threads import PlanningThreads
from icefield_apiserver.features.statements.service import Plan
from icefield_crds import Workspace
from icefield_crds.polars import TABLE_PATTERN
from icefield_sql import Names, Table, TableName

from . import reading
from .decision import AUTO, POLARS, QueryKind, Question, check_engine
from .domain import Query
from .reading import ParsedQuery
from .sizes import Inputs, InputTable, input_table

POLARS_LIMITS = sql.PolarsLimits(TABLE_PATTERN)
_RUNS_ON_SPARK = "Runs on Spark: "


class QueryFailedError(Exception):
    """The query cannot be answered as the tables are.

    Args:
        sentence: what the caller reads.
        is_write: whether it was to change tables.
    """

    def __init__(self, sentence: str, *, is_write: bool) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_write = is_write


@dataclass(frozen=True)
class QueryPlan:
    """A query, parsed and resolved.

    Attributes:
        question: what decides which engine runs it.
        parsed: its SQL; None of a script.
        bound: the tables that the request names, by the names it gives them.
        destination: the table that the result is written to.
        resolved: what the catalog has of the names in it; None where nothing was looked up.
        on_warehouse: its plan for a warehouse, where that had to be made to decide.
    """

    question: Question
    parsed: ParsedQuery | None
    bound: Mapping[str, TableName]
    destination: TableName | None
    resolved: sql.Resolved | None = None
    on_warehouse: Plan | None = None

    def outline(self) -> QueryPlan:
        """Return the same without what only an engine other than a warehouse needs, to be kept while one works."""
        parsed = replace(self.parsed, statement=self.parsed.statement.outline()) if self.parsed else None
        return replace(self, parsed=parsed, resolved=None)


class QueryPlanner:
    """Parses and resolves queries, and writes them for the engines that are not warehouses.

    Args:
        catalogs: the workspaces' catalogs.
        threads: where that is done.
    """

    def __init__(self, catalogs: Catalogs, threads: PlanningThreads) -> None:
        self._catalogs = catalogs
        self._threads = threads

    async def plan(
        self, workspace: Workspace, query: Query, access: DataAccess, *, is_warehouse_running: bool
    ) -> QueryPlan:
        """Parse a query, and resolve what it names.

        Args:
            workspace: its workspace.
            query: what to plan.
            access: what the caller may do with databases and tables.
            is_warehouse_running: whether a warehouse of the workspace runs.

        Raises:
            BadRequest: it can never be run.
            QueryFailedError: it names tables that do not exist.
            Unavailable: the catalog cannot be reached.
        """
        if (query.text is None) == (query.script is None):
            raise BadRequest("Give either query or script, not both." if query.text else "Give a query or a script.")
        check_engine(query.engine, query.destination)
        names = reading.names_of(workspace)
        bound = _bound(query, names)
        destination = reading.table_of(query.destination, names) if query.destination else None
        if query.text is None:
            return await self._of_script(workspace, query, bound, destination, access)
        slug = workspace.metadata.name
        async with self._threads.room(slug, len(query.text)):
            parsed = await self._threads.run(
                slug, reading.read, query.text, names, bound, for_polars=query.engine == POLARS
            )
            question = Question(
                query.engine,
                parsed.kind,
                parsed.statement.command,
                query.destination,
                is_warehouse_running=is_warehouse_running,
            )
            plan = QueryPlan(question, parsed, bound, destination)
            return plan if parsed.kind is QueryKind.METADATA else await self._resolve(slug, plan, access)

    async def _of_script(
        self,
        workspace: Workspace,
        query: Query,
        bound: Mapping[str, TableName],
        destination: TableName | None,
        access: DataAccess,
    ) -> QueryPlan:
        tables = [(name, None) for name in bound.values()]
        catalog = granted_catalog(self._catalogs, workspace.metadata.name, access)
        inputs = Inputs(
            await _sized(catalog.load_table, tables, is_write=destination is not None), is_complete=bool(bound)
        )
        question = Question(query.engine, QueryKind.SCRIPT, "script", query.destination, inputs)
        return QueryPlan(question, None, bound, destination)

    async def spark_text(self, workspace: str, plan: QueryPlan) -> str:
        """Return a plan's SQL for Spark.

        Args:
            workspace: slug of its workspace.
            plan: of a query that reads or changes tables.

        Raises:
            BadRequest: Spark cannot run it.
        """
        assert plan.resolved is not None  # noqa: S101 - what reads and changes have
        try:
            return (await self._threads.run(workspace, sql.compile, plan.resolved, sql.Engine.SPARK)).sql
        except (sql.SqlError, sql.UnresolvedName) as error:
            raise BadRequest(error.sentence) from error

    async def for_polars(self, workspace: str, plan: QueryPlan) -> sql.PolarsQuery | None:
        """Return a plan's SQL for Polars; None of a script.

        Args:
            workspace: slug of its workspace.
            plan: of a query that Polars can run, as its question says.
        """
        return await self._threads.run(workspace, sql.to_polars, plan.parsed.statement) if plan.parsed else None

    async def _resolve(self, workspace: str, plan: QueryPlan, access: DataAccess) -> QueryPlan:
        """Return a plan with what the catalog has of the tables that its SQL names."""
        parsed, question = plan.parsed, plan.question
        catalog = granted_catalog(self._catalogs, workspace, access)
        assert parsed is not None  # noqa: S101 - what a plan of SQL has
        is_write = question.kind is QueryKind.WRITE or plan.destination is not None
        made_at = asyncio.get_running_loop().time()
        try:
            resolved = await sql.resolve(parsed.statement, SqlCatalogReader(catalog))
            sql.check_names(parsed.statement, resolved)
            compiled = await self._threads.run(workspace, sql.compile, resolved) if _may_be_duckdb(question) else None
        except sql.UnresolvedName as error:
            raise QueryFailedError(error.sentence, is_write=is_write) from error
        except sql.SqlError as error:
            raise BadRequest(error.sentence) from error
        tables = [(name, snapshot) for name, snapshot in sql.tables_read(resolved) if _is_table(name, resolved)]
        inputs = Inputs(await _sized(partial(_just_loaded, catalog), tables, is_write=is_write))
        obstacle = None
        if question.destination is not None or question.requested == POLARS:
            obstacle = await self._threads.run(
                workspace, sql.polars_obstacle, resolved, parsed.statement, POLARS_LIMITS
            )
        question = replace(
            question,
            inputs=inputs,
            polars_obstacle=obstacle or _equality_deletes(inputs),
            duckdb_obstacle=_duckdb_obstacle(compiled) if compiled else None,
        )
        return replace(
            plan, question=question, resolved=resolved, on_warehouse=Plan(compiled, made_at) if compiled else None
        )


def _may_be_duckdb(question: Question) -> bool:
    """Return whether the decision depends on DuckDB being able to answer the query as Spark would."""
    return question.kind is QueryKind.READ and question.destination is None and question.requested == AUTO


def _duckdb_obstacle(compiled: sql.Compiled) -> str | None:
    """Return the reason why DuckDB cannot answer a read as Spark would; None when it can."""
    if compiled.engine is sql.Engine.DUCKDB:
        return None
    return next((warning.removeprefix(_RUNS_ON_SPARK) for warning in compiled.warnings), "It is for Spark.")


def _equality_deletes(inputs: Inputs) -> str | None:
    found = next((table.name for table in inputs.tables if table.has_equality_deletes), None)
    return f"Table {found} has rows deleted by value, which Polars does not read." if found else None


def _is_table(name: TableName, resolved: sql.Resolved) -> bool:
    return isinstance(resolved.objects.get(name), Table)


def _bound(query: Query, names: Names) -> dict[str, TableName]:
    """Return the tables that a request names, by the names it gives them."""
    bound: dict[str, TableName] = {}
    for entry in query.tables:
        alias, table = reading.binding_of(entry, names)
        if bound.setdefault(alias, table) != table:
            raise BadRequest(f"Field tables: two tables have the alias {alias}.")
        if not _can_be_bound(table):
            raise BadRequest(f"Field tables: {table} cannot have an alias: its own name has other characters.")
    return bound


def _can_be_bound(table: TableName) -> bool:
    return re.fullmatch(TABLE_PATTERN, str(table)) is not None


async def _just_loaded(catalog: IcebergCatalog, namespace: tuple[str, ...], name: str) -> LoadedTable:
    """Return a table that resolving has loaded, in general without a second request."""
    return catalog.last_loaded(namespace, name) or await catalog.load_table(namespace, name)


async def _sized(
    load: Callable[[tuple[str, ...], str], Awaitable[LoadedTable]],
    tables: Iterable[tuple[TableName, int | None]],
    *,
    is_write: bool,
) -> tuple[InputTable, ...]:
    """Return the sizes of tables, each once.

    Args:
        load: returns a table by namespace and name.
        tables: the tables, each with the snapshot that is read.
        is_write: whether the query is to change tables.

    Raises:
        QueryFailedError: one does not exist.
    """
    snapshots = dict(tables)

    async def sized(name: TableName) -> InputTable:
        try:
            loaded = await load(name.namespace, name.name)
        except NotFound as error:
            raise QueryFailedError(f"There is no table {name}.", is_write=is_write) from error
        return input_table(str(name), loaded.metadata, snapshots[name])

    return tuple(await map_concurrently(sized, sorted(snapshots)))

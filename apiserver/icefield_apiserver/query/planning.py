"""From a request to the question which engine runs it: what it says, what it reads, and how much that is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from icefield_apiserver import sql
from icefield_apiserver.catalog import Catalogs, IcebergCatalog
from icefield_apiserver.catalog.gather import gather
from icefield_apiserver.errors import BadRequest, NotFound
from icefield_apiserver.schemas.query import QueryRequest
from icefield_apiserver.sql.model import Table
from icefield_apiserver.sql.names import Names, TableName
from icefield_apiserver.sql.polars import obstacle
from icefield_crds import Workspace
from icefield_crds.polars import TABLE_PATTERN

from . import reading
from .decision import AUTO, POLARS, Question, Source, check_engine
from .reading import Asked
from .sizes import Inputs, InputTable, input_table

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
class Plan:
    """A request, read.

    Attributes:
        question: what decides which engine runs it.
        asked: its SQL; None of a script.
        resolved: what the catalog has of the names in it; None where nothing was looked up.
        bound: the tables that the request names, by the names it gives them.
        destination: where the result goes.
    """

    question: Question
    asked: Asked | None
    resolved: sql.Resolved | None
    bound: Mapping[str, TableName]
    destination: TableName | None


class QueryPlanner:
    """Reads requests.

    Args:
        catalogs: the workspaces' catalogs.
    """

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    async def plan(self, workspace: Workspace, request: QueryRequest, *, is_warehouse_running: bool) -> Plan:
        """Read a request.

        Args:
            workspace: where.
            request: what is asked.
            is_warehouse_running: whether a warehouse of the workspace runs.

        Raises:
            BadRequest: it can never be run.
            QueryFailedError: it names tables that are not there.
            Unavailable: the catalog cannot be reached.
        """
        if (request.query is None) == (request.script is None):
            raise BadRequest("Give either query or script, not both." if request.query else "Give a query or a script.")
        check_engine(request.engine, request.destination)
        names = reading.names_of(workspace)
        bound = _bound(request, names)
        destination = reading.table_of(request.destination, names) if request.destination else None
        catalog = self._catalogs.of(workspace.metadata.name)
        if request.query is None:
            tables = [(name, None) for name in bound.values()]
            sized = await _sized(catalog, tables, is_write=destination is not None)
            inputs = Inputs(sized, is_known=bool(bound))
            question = Question(request.engine, Source.SCRIPT, "script", request.destination, inputs)
            return Plan(question, None, None, bound, destination)
        asked = await asyncio.to_thread(reading.read, request.query, names, bound, for_polars=request.engine == POLARS)
        question = Question(
            request.engine,
            asked.source,
            asked.statement.command,
            request.destination,
            is_warehouse_running=is_warehouse_running,
        )
        if asked.source is Source.NOTICE:
            return Plan(question, asked, None, bound, destination)
        return await _looked_up(catalog, Plan(question, asked, None, bound, destination))


async def _looked_up(catalog: IcebergCatalog, plan: Plan) -> Plan:
    """Return a plan with what the catalog has of the tables that its SQL names."""
    asked, question = plan.asked, plan.question
    assert asked is not None  # noqa: S101 - what a plan of SQL has
    is_write = question.source is Source.CHANGE or plan.destination is not None
    try:
        resolved = await sql.resolve(asked.statement, catalog.reader())
        sql.check_names(asked.statement, resolved)
        duckdb_obstacle = await asyncio.to_thread(_duckdb_obstacle, question, resolved)
    except sql.UnresolvedName as error:
        raise QueryFailedError(error.sentence, is_write=is_write) from error
    except sql.SqlError as error:
        raise BadRequest(error.sentence) from error
    tables = [(name, snapshot) for name, snapshot in sql.tables_read(resolved) if _is_table(name, resolved)]
    inputs = Inputs(await _sized(catalog, tables, is_write=is_write))
    question = Question(
        question.requested,
        question.source,
        question.command,
        question.destination,
        inputs,
        polars_obstacle=obstacle(resolved, asked.statement) or _deletes(inputs),
        duckdb_obstacle=duckdb_obstacle,
        is_warehouse_running=question.is_warehouse_running,
    )
    return Plan(question, asked, resolved, plan.bound, plan.destination)


def _duckdb_obstacle(question: Question, resolved: sql.Resolved) -> str | None:
    """Say why DuckDB cannot answer a read as Spark would; None when it can, or is not asked to."""
    if question.source is not Source.QUERY or question.destination or question.requested != AUTO:
        return None
    compiled = sql.compile(resolved)
    if compiled.engine is sql.Engine.DUCKDB:
        return None
    return next((said.removeprefix(_RUNS_ON_SPARK) for said in compiled.warnings), "It is for Spark.")


def _deletes(inputs: Inputs) -> str | None:
    found = next((table.name for table in inputs.tables if table.has_equality_deletes), None)
    return f"Table {found} has rows deleted by value, which Polars does not read." if found else None


def _is_table(name: TableName, resolved: sql.Resolved) -> bool:
    return isinstance(resolved.objects.get(name), Table)


def _bound(request: QueryRequest, names: Names) -> dict[str, TableName]:
    """Return the tables that a request names, by the names it gives them."""
    bound: dict[str, TableName] = {}
    for entry in request.tables:
        if isinstance(entry, str):
            alias, table = reading.binding_of(entry, names)
        else:
            alias, table = reading.checked_alias(entry.alias), reading.table_of(entry.table, names)
        if bound.setdefault(alias, table) != table:
            raise BadRequest(f"Field tables: two tables are called {alias}.")
        if not _can_be_bound(table):
            raise BadRequest(f"Field tables: {table} cannot be given under another name, because of its own.")
    return bound


def _can_be_bound(table: TableName) -> bool:
    return re.fullmatch(TABLE_PATTERN, str(table)) is not None


async def _sized(
    catalog: IcebergCatalog, tables: Iterable[tuple[TableName, int | None]], *, is_write: bool
) -> tuple[InputTable, ...]:
    """Return how much tables hold, each once.

    Raises:
        QueryFailedError: one is not there.
    """
    snapshots = dict(tables)

    async def sized(name: TableName) -> InputTable:
        try:
            loaded = await catalog.load_table(name.namespace, name.name)
        except NotFound as error:
            raise QueryFailedError(f"There is no table {name}.", is_write=is_write) from error
        return input_table(str(name), loaded.metadata, snapshots[name])

    return tuple(await gather(sized, sorted(snapshots)))

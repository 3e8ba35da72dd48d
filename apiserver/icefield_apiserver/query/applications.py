"""Queries as Spark applications: the SQL with every name in full, and the database that it writes to."""

from __future__ import annotations

from icefield_apiserver import sql
from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.catalog.names import catalog_names, check_database_name, check_schema_name
from icefield_apiserver.errors import BadRequest, Conflict, Forbidden, NotFound
from icefield_apiserver.identity.membership import WorkspaceDirectory
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.schemas.query import QueryRequest
from icefield_apiserver.schemas.spark import SparkSqlRequest
from icefield_apiserver.spark.applications import SparkApplications, application
from icefield_apiserver.spark.machines import Machines
from icefield_apiserver.sql.names import TableName
from icefield_crds import Role, Run, Workspace

from .decision import SPARK, decide
from .planning import Plan, QueryFailedError, QueryPlanner

_MACHINE_FIELDS = ("driver_machine_type", "executor_machine_type")


class SparkQueries:
    """Submits queries to Spark, each call inside the caller's workspace.

    Args:
        planner: reads them.
        applications: where they are submitted.
        catalogs: where databases are made.
        workspaces: the Workspaces there are.
    """

    def __init__(
        self,
        planner: QueryPlanner,
        applications: SparkApplications,
        catalogs: Catalogs,
        workspaces: WorkspaceDirectory,
    ) -> None:
        self._planner = planner
        self._applications = applications
        self._catalogs = catalogs
        self._workspaces = workspaces

    async def run(self, principal: Principal, request: SparkSqlRequest) -> tuple[Run, TableName]:
        """Submit a query whose result is written to a table; return its run, and the table.

        Raises:
            BadRequest: it can never be run.
            Forbidden: the caller may only read.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        asked = QueryRequest(query=request.query, engine=SPARK, destination=request.output_table)
        workspace = self.workspace(principal)
        try:
            plan = await self._planner.plan(workspace, asked, is_warehouse_running=False)
        except QueryFailedError as error:
            raise BadRequest(error.sentence) from error
        decide(plan.question)
        if plan.destination is None:
            raise BadRequest("Field output_table is required.")
        machines = Machines(request.driver_machine_type, request.executor_machine_type, request.executor_numbers)
        run = await self.submit(
            principal,
            plan,
            machines,
            write_mode=request.write_mode.lower(),
            namespace=request.namespace.strip(),
            name=request.name.strip(),
        )
        return run, plan.destination

    async def submit(
        self, principal: Principal, plan: Plan, machines: Machines, *, write_mode: str, namespace: str, name: str
    ) -> Run:
        """Submit what was read of a query.

        Args:
            principal: the caller.
            plan: the query.
            machines: what it runs on.
            write_mode: overwrite or append.
            namespace: of the job that it counts as.
            name: of the job that it counts as.

        Raises:
            BadRequest: Spark cannot run it.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        query = {"query": _text(plan), "write_mode": write_mode}
        if plan.destination:
            query["output_table"] = str(plan.destination)
        made = application(machines, _MACHINE_FIELDS, sql=query)
        if plan.destination:
            await self.make_namespace(principal, plan.destination)
        return await self._applications.submit(principal, made, namespace=namespace, name=name)

    async def make_namespace(self, principal: Principal, table: TableName) -> None:
        """Make the database, and the schema, of a table that shall be written, where they are missing.

        Raises:
            BadRequest: they cannot be called so.
            Forbidden: the caller may only read.
        """
        if not principal.may(Role.EDITOR):
            raise Forbidden(f"This needs the role {Role.EDITOR.value}; yours is {principal.role.value}.")
        catalog = self._catalogs.of(principal.workspace)
        try:
            await catalog.load_namespace(table.namespace)
        except NotFound:
            check_database_name(table.namespace[0], catalog_names(self.workspace(principal)))
            for schema in table.namespace[1:]:
                check_schema_name(schema)
            for levels in range(1, len(table.namespace) + 1):
                try:
                    await catalog.create_namespace(table.namespace[:levels], {})
                except Conflict:
                    continue

    def workspace(self, principal: Principal) -> Workspace:
        """Return the caller's workspace."""
        workspace = self._workspaces.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace called {principal.workspace}.")
        return workspace


def _text(plan: Plan) -> str:
    """Return a plan's SQL as Spark is given it.

    Raises:
        BadRequest: Spark cannot run it.
    """
    assert plan.resolved is not None  # noqa: S101 - what reads and changes have
    try:
        return sql.compile(plan.resolved, sql.Engine.SPARK).sql
    except (sql.SqlError, sql.UnresolvedName) as error:
        raise BadRequest(error.sentence) from error

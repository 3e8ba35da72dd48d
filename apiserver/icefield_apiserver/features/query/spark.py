"""Queries as Spark applications: the SQL with every name in full, and the database of the destination."""

from __future__ import annotations

from icefield_apiserver.core.catalog import Catalogs, DataAccess
from icefield_apiserver.core.catalog.names import catalog_names, check_database_name, check_schema_name
from icefield_apiserver.core.errors import BadRequest, Conflict, Forbidden, NotFound
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.on_quota import OnQuota
from icefield_apiserver.features.spark.service import Machines, SparkService, new_application
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege, Role, Run, Workspace
from icefield_sql import TableName

from .decision import SPARK, decide
from .domain import Query, SparkQuery
from .planning import QueryFailedError, QueryPlan, QueryPlanner
from .sizes import Inputs, SizeBand

_MACHINE_FIELDS = ("driver_machine_type", "executor_machine_type")


class SparkQueries:
    """Submits queries to Spark, each call inside the caller's workspace.

    Args:
        planner: parses and resolves them.
        applications: submits them.
        catalogs: creates databases.
        workspaces: the Workspaces.
    """

    def __init__(
        self,
        planner: QueryPlanner,
        applications: SparkService,
        catalogs: Catalogs,
        workspaces: WorkspaceDirectory,
    ) -> None:
        self._planner = planner
        self._applications = applications
        self._catalogs = catalogs
        self._workspaces = workspaces

    async def run(self, principal: Principal, query: SparkQuery, machines: Machines) -> tuple[Run, TableName]:
        """Submit a query whose result is written to a table; return its run, and the table.

        Raises:
            BadRequest: it can never be run.
            Forbidden: the caller may only read.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        workspace = self.workspace(principal)
        request = Query(text=query.text, engine=SPARK, destination=query.destination)
        try:
            plan = await self._planner.plan(workspace, request, principal.access, is_warehouse_running=False)
        except QueryFailedError as error:
            raise BadRequest(error.sentence) from error
        decide(plan.question)
        if plan.destination is None:
            raise BadRequest("Field output_table is required.")
        check_destination(principal.access, plan.destination, query.write_mode)
        run = await self.submit(
            principal,
            plan,
            machines,
            write_mode=query.write_mode,
            namespace=query.namespace,
            name=query.name,
            on_quota=query.on_quota,
        )
        return run, plan.destination

    async def submit(
        self,
        principal: Principal,
        plan: QueryPlan,
        machines: Machines,
        *,
        write_mode: str,
        namespace: str,
        name: str,
        on_quota: OnQuota,
    ) -> Run:
        """Submit a planned query.

        Args:
            principal: the caller.
            plan: the query.
            machines: the machines that it runs on.
            write_mode: overwrite or append.
            namespace: of the job that it counts as.
            name: of the job that it counts as.
            on_quota: what happens when the maximum number of runs is running.

        Raises:
            BadRequest: Spark cannot run it.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        query = {"query": await self._planner.spark_text(principal.workspace, plan), "write_mode": write_mode}
        if plan.destination:
            query["output_table"] = str(plan.destination)
        spark = new_application(machines, _MACHINE_FIELDS, sql=query)
        if plan.destination:
            await self.create_namespace(principal, plan.destination)
        return await self._applications.submit(principal, spark, namespace=namespace, name=name, on_quota=on_quota)

    async def create_namespace(self, principal: Principal, table: TableName) -> None:
        """Create the database and the schema of a table to write, where they are missing.

        Raises:
            BadRequest: their names are not allowed.
            Forbidden: the caller may only read.
        """
        if not principal.may(Role.EDITOR):
            raise Forbidden(f"This needs the role {Role.EDITOR.value}; yours is {principal.role.value}.")
        catalog = principal.catalog(self._catalogs)
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
        return self._workspaces.existing(principal.workspace)


def check_destination(access: DataAccess, table: TableName | None, write_mode: str) -> None:
    """Check that a person may write the result of a query to a table, which need not exist yet.

    Raises:
        NotFound: the person may not see that table's database.
        Forbidden: the person has not the privilege.
    """
    if table is not None and write_mode == "append":
        access.require(Privilege.INSERT, table.namespace, table.name)
    elif table is not None:
        access.require_to_create(table.namespace, table.name)


def machines_for(inputs: Inputs) -> Machines:
    """Return the machines for a query that names none, by the size of its input."""
    if inputs.band is SizeBand.LARGE:
        return Machines("spark.2.b", "spark.4.b", 8)
    if inputs.band is SizeBand.MEDIUM:
        return Machines("spark.2.b", "spark.4.b", 2)
    return Machines("spark.2.b", "spark.1.b", 0)

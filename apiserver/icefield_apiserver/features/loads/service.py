"""Loads: a table made where it is wanted, and a COPY INTO."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from icefield_apiserver.core.catalog.metadata import ColumnInfo
from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.catalog.schema_changes import iceberg_type
from icefield_apiserver.core.catalog.table_definition import TableDefinition
from icefield_apiserver.core.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.pagination import Window
from icefield_apiserver.features.statements.service import ExecuteRequest, PlanRequest, Statement, StatementService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal
from icefield_crds.wire.gateway import FINAL_PHASES

from .queries import FileFormat, Query, copy_query, read_query
from .uploads import Uploads

PREVIEW_ROWS = 100
CONTEXT = "load"


@dataclass(frozen=True)
class Load:
    """What is loaded.

    Attributes:
        path: the files, as statements name them.
        file_format: their format.
        options: of the format.
        create: whether the table is made where there is none.
        merge_schema: whether columns that the table does not have are added.
        force: whether files that were loaded before are loaded again.
        warehouse: id or name of the warehouse; None for the workspace's own.
        wait_seconds: how long the caller waits for the end.
        idempotency_key: a second request with the same key loads nothing again.
    """

    path: str
    file_format: FileFormat
    options: Mapping[str, str] = field(default_factory=dict)
    create: bool = False
    merge_schema: bool = False
    force: bool = False
    warehouse: str | None = None
    wait_seconds: float = 10.0
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Loaded:
    """A load that has ended, or still runs.

    Attributes:
        statement: the record of its COPY INTO, or of the read of its columns where that failed.
        is_created: whether the table was made for it.
        rows: its first rows, as an Arrow IPC stream; None without any.
    """

    statement: Statement
    is_created: bool = False
    rows: bytes | None = None


class LoadService:
    """Loads files, each call inside the caller's workspace.

    Args:
        statements: runs what a load is made of.
        tables: the tables.
        warehouses: where statements run.
        workspaces: the Workspaces.
        uploads: files that were uploaded to be loaded.
    """

    def __init__(
        self,
        statements: StatementService,
        tables: TableService,
        warehouses: WarehouseService,
        workspaces: WorkspaceDirectory,
        uploads: Uploads,
    ) -> None:
        self._statements = statements
        self._tables = tables
        self._warehouses = warehouses
        self._workspaces = workspaces
        self.uploads = uploads

    async def load(self, principal: Principal, namespace: Namespace, table: str, load: Load) -> Loaded:
        """Load files into a table.

        Raises:
            BadRequest: an option is unknown, or the path is no file of the workspace.
            Conflict: the table has the name of a view.
            NotFound: there is no such table, and it is not to be made; or no such warehouse.
        """
        warehouse = await self._warehouse(principal, load.warehouse)
        clock = asyncio.get_running_loop().time
        give_up = clock() + load.wait_seconds
        is_created = False
        if not await self._exists(principal, namespace, table):
            if not load.create:
                raise NotFound(f"There is no table {'.'.join((*namespace, table))}; create=true makes it.")
            read = await self._run(principal, warehouse, read_query(load.path, load.file_format, load.options, 0), load)
            if read.statement.status != "succeeded":
                return read
            is_created = await self._create(principal, namespace, table, read.statement)
        options = {"mergeSchema": load.merge_schema, "force": load.force}
        query = copy_query(namespace, table, load.path, load.file_format, load.options, options)
        request = _request(query, warehouse, max(0.0, give_up - clock()), load.idempotency_key)
        statement, rows = await self._statements.execute(principal, request)
        return Loaded(statement, is_created, rows)

    async def preview(self, principal: Principal, load: Load) -> Loaded:
        """Read the columns and the first rows of files, and write nothing.

        Raises:
            BadRequest: an option is unknown, or the path is no file of the workspace.
            NotFound: there is no such warehouse.
        """
        warehouse = await self._warehouse(principal, load.warehouse)
        query = read_query(load.path, load.file_format, load.options, PREVIEW_ROWS)
        return await self._run(principal, warehouse, query, load)

    async def _run(self, principal: Principal, warehouse: str, query: Query, load: Load) -> Loaded:
        """Run a read to its end, or for as long as the caller waits."""
        statement, rows = await self._statements.execute(principal, _request(query, warehouse, load.wait_seconds, None))
        if statement.status not in FINAL_PHASES:
            await self._statements.cancel(principal, statement.id)
            raise Conflict("The files were not read in time; call again with a longer wait_timeout.")
        return Loaded(statement, rows=rows)

    async def _exists(self, principal: Principal, namespace: Namespace, table: str) -> bool:
        try:
            await self._tables.get(principal, namespace, table)
        except NotFound:
            return False
        return True

    async def _create(self, principal: Principal, namespace: Namespace, table: str, read: Statement) -> bool:
        """Make a table with the columns of a read; return whether nobody else did meanwhile."""
        columns = [
            ColumnInfo(name=column["name"], type=iceberg_type(column["type"]), nullable=True, description=None)
            for column in read.result_schema or ()
        ]
        try:
            await self._tables.create(principal, namespace, TableDefinition(table, columns))
        except Conflict:
            if not await self._exists(principal, namespace, table):
                raise
            return False
        return True

    async def _warehouse(self, principal: Principal, named: str | None) -> str:
        """Return the warehouse named, else the workspace's default one, else the only one there is."""
        if named := named or self._workspaces.existing(principal.workspace).spec.default_warehouse:
            return named
        page = self._warehouses.page(principal, Window(limit=2), lambda warehouse: warehouse.metadata.name)
        if len(page.data) != 1:
            raise BadRequest("Say by warehouse_id on which warehouse the files are loaded.")
        return page.data[0]


def _request(query: Query, warehouse: str, wait_seconds: float, key: str | None) -> ExecuteRequest:
    plan = PlanRequest(query.text, params=query.params)
    return ExecuteRequest(plan, warehouse, wait_seconds, context=CONTEXT, idempotency_key=key)

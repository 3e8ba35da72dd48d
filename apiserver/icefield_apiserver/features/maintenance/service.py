"""Starts the run that maintains a table, so that its logs and its lineage are those of a run."""

from __future__ import annotations

from datetime import UTC, datetime

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.errors import Conflict
from icefield_apiserver.core.pagination import Window
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import EnvVar, Privilege, Run, RunSpec
from icefield_crds.maintenance.execution import execution_of

from .procedures import MaintenancePlan, procedures_of_plan

WAREHOUSE_VARIABLE = "POLNOR_WAREHOUSE_ID"


class MaintenanceService:
    """Starts maintenance of tables.

    Args:
        tables: the tables.
        warehouses: where the statements run.
        runs: starts the run.
    """

    def __init__(self, tables: TableService, warehouses: WarehouseService, runs: RunService) -> None:
        self._tables = tables
        self._warehouses = warehouses
        self._runs = runs

    async def start(
        self, principal: Principal, namespace: Namespace, table: str, plan: MaintenancePlan, warehouse: str | None
    ) -> Run:
        """Start a run that maintains a table.

        Args:
            principal: the caller.
            namespace: where the table is.
            table: its name.
            plan: what to do.
            warehouse: id or name of the warehouse that runs the statements; the workspace's first when None.

        Raises:
            BadRequest: an operation is listed twice, or would remove files of writes in progress.
            Conflict: no warehouse is named, and the workspace has none.
            NotFound: there is no such table or warehouse.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        procedures = procedures_of_plan(plan, datetime.now(UTC))
        await self._tables.get(principal, namespace, table)
        principal.access.require(Privilege.OWN, namespace, table)
        spec = RunSpec(
            **execution_of(namespace[0], ".".join((*namespace[1:], table)), procedures),
            env=[EnvVar(name=WAREHOUSE_VARIABLE, value=await self._warehouse(principal, warehouse))],
        )
        return await self._runs.submit(principal, spec, f"maintain-{table}" if table.isascii() else "maintain")

    async def _warehouse(self, principal: Principal, id_or_name: str | None) -> str:
        """Return the id of the requested warehouse, else of the workspace's first."""
        if id_or_name:
            return (await self._warehouses.get(principal, id_or_name)).public_id
        first = self._warehouses.page(principal, Window(limit=1), lambda warehouse: warehouse.public_id).data
        if not first:
            raise Conflict("The workspace has no warehouse that could do this; create one.")
        return first[0]

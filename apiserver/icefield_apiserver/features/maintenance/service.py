"""Starts the run that maintains a table, so that its logs and its lineage are those of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import resources

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.errors import BadRequest, Conflict
from icefield_apiserver.core.pagination import Window
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import EnvVar, File, Run, RunSpec

from .plan import MaintenancePlan
from .statements import statements_of

ORPHANS_OLDER_THAN = timedelta(days=1)
"""Iceberg's own procedure refuses less, but only after the run has started."""


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
        _check(plan, datetime.now(UTC))
        await self._tables.get(principal, namespace, table)
        statements = statements_of(principal.workspace, namespace, table, plan)
        program = resources.files(__package__).joinpath("task.py").read_text(encoding="utf-8")
        spec = RunSpec(
            command="python maintain.py",
            files=[
                File(path="maintain.py", content=program),
                File(path="statements.json", content=json.dumps(statements, ensure_ascii=False)),
            ],
            env=[EnvVar(name="POLNOR_WAREHOUSE_ID", value=await self._warehouse(principal, warehouse))],
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


def _check(plan: MaintenancePlan, now: datetime) -> None:
    older_than = plan.older_than
    if older_than is None or "remove_orphan_files" not in plan.operations:
        return
    if (older_than if older_than.tzinfo else older_than.replace(tzinfo=UTC)) > now - ORPHANS_OLDER_THAN:
        raise BadRequest("To remove orphan files, older_than must be a day ago or more: younger ones may be in use.")

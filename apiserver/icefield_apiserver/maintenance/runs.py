"""Starts the run that keeps a table in good order, so that its logs and its lineage are those of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import resources

from icefield_apiserver.catalog.loaded import Namespace
from icefield_apiserver.errors import BadRequest, Conflict
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.pagination import Window
from icefield_apiserver.repositories.job_spec import run_of_its_own
from icefield_apiserver.repositories.runs import RunRepository
from icefield_apiserver.repositories.tables import TableRepository
from icefield_apiserver.repositories.warehouses import WarehouseRepository
from icefield_apiserver.schemas.catalog import Maintenance
from icefield_apiserver.schemas.runs import RunSubmit
from icefield_crds import Run

from .statements import statements_of

ORPHANS_OLDER_THAN = timedelta(days=1)
"""Iceberg's own procedure refuses less, and it would do so only after the run has started."""


class MaintenanceRuns:
    """Starts maintenance of tables.

    Args:
        tables: the tables.
        warehouses: what does the work.
        runs: where it is started.
    """

    def __init__(self, tables: TableRepository, warehouses: WarehouseRepository, runs: RunRepository) -> None:
        self._tables = tables
        self._warehouses = warehouses
        self._runs = runs

    async def start(self, principal: Principal, namespace: Namespace, table: str, maintenance: Maintenance) -> Run:
        """Start a run that does what is asked of a table.

        Raises:
            BadRequest: what is asked contradicts itself, or would remove files of writes that go on.
            Conflict: no warehouse is named, and the workspace has none.
            NotFound: there is no such table or warehouse.
            QuotaExceeded: as many runs as the workspace may have are running.
        """
        _check(maintenance, datetime.now(UTC))
        await self._tables.get(principal, namespace, table)
        statements = statements_of(principal.workspace, namespace, table, maintenance)
        request = RunSubmit(
            name=f"maintain-{table}" if table.isascii() else "maintain",
            command="python maintain.py",
            files={
                "maintain.py": resources.files(__package__).joinpath("task.py").read_text(encoding="utf-8"),
                "statements.json": json.dumps(statements, ensure_ascii=False),
            },
            env_vars={"POLNOR_WAREHOUSE_ID": await self._warehouse(principal, maintenance.warehouse_id)},
        )
        return await self._runs.submit(principal, run_of_its_own(request), request.name)

    async def _warehouse(self, principal: Principal, id_or_name: str | None) -> str:
        """Return the id of the warehouse asked for, else of the workspace's first."""
        if id_or_name:
            return (await self._warehouses.get(principal, id_or_name)).public_id
        first = self._warehouses.page(principal, Window(limit=1), lambda warehouse: warehouse.public_id).data
        if not first:
            raise Conflict("The workspace has no warehouse that could do this; create one.")
        return first[0]


def _check(maintenance: Maintenance, now: datetime) -> None:
    older_than = maintenance.options.older_than if maintenance.options else None
    if older_than is None or "remove_orphan_files" not in maintenance.operations:
        return
    if (older_than if older_than.tzinfo else older_than.replace(tzinfo=UTC)) > now - ORPHANS_OLDER_THAN:
        raise BadRequest("To remove orphan files, older_than must be a day ago or more: younger ones may be in use.")

"""Maintenance of tables, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.databases.service import DatabaseService
from icefield_apiserver.features.jobs.service import JobService
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService

from .declarations import MaintenanceDeclarations
from .routes import router
from .service import MaintenanceService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the services of maintenance."""
    tables, warehouses = services.get(TableService), services.get(WarehouseService)
    jobs, databases = services.get(JobService), services.get(DatabaseService)
    services.provide(MaintenanceService(tables, warehouses, services.get(RunService)))
    services.provide(MaintenanceDeclarations(jobs, databases, tables, warehouses))


NEEDS = ("databases", "jobs", "runs", "tables", "warehouses")

feature = Feature("maintenance", (Mount(API_V1, router),), install, needs=NEEDS)

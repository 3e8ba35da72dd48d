"""Maintenance of tables, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService

from .routes import router
from .service import MaintenanceService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of maintenance."""
    services.provide(
        MaintenanceService(
            services.get(TableService),
            services.get(WarehouseService),
            services.get(RunService),
        )
    )


feature = Feature("maintenance", (Mount(API_V1, router),), install, needs=("tables", "warehouses", "runs"))

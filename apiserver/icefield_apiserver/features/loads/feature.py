"""Loads, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService

from .routes import router
from .service import LoadService
from .uploads import Uploads


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of loads."""
    statements = services.get(StatementService)
    uploads = Uploads(core.secrets, core.stores, statements)
    stack.push_async_callback(uploads.close)
    services.provide(
        LoadService(
            statements,
            services.get(TableService),
            services.get(WarehouseService),
            core.cluster.workspace_directory,
            uploads,
        )
    )


feature = Feature("loads", (Mount(API_V1, router),), install, needs=("statements", "tables", "warehouses"))

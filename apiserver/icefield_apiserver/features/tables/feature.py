"""Tables, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.lineage.service import LineageRecorder

from .routes import router
from .service import TableService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of tables."""
    services.provide(TableService(core.catalogs, services.get(LineageRecorder)))


feature = Feature("tables", (Mount(API_V1, router),), install, needs=("lineage",))

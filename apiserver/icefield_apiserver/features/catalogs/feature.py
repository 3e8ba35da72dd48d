"""Catalogs under their names in SQL, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services

from .routes import router
from .service import CatalogService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of catalogs."""
    services.provide(CatalogService(core.catalogs, core.cluster, core.stores))


feature = Feature("catalogs", (Mount(API_V1, router),), install)

"""Databases and schemas, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.volumes.service import VolumeService

from .routes import router
from .service import DatabaseService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of databases."""
    services.provide(DatabaseService(core.catalogs, core.cluster, core.secrets, services.get(VolumeService)))


feature = Feature("databases", (Mount(API_V1, router),), install, needs=("volumes",))

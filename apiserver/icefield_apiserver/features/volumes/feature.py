"""Volumes, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services

from .routes import router
from .service import VolumeService
from .store import VolumeStore


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of volumes."""
    services.provide(
        VolumeService(VolumeStore(core.db), core.cluster.workspace_directory, core.catalogs, core.secrets, core.stores)
    )


feature = Feature("volumes", (Mount(API_V1, router),), install)

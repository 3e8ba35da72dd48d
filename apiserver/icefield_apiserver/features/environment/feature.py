"""Environment variables, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services

from .routes import router
from .service import EnvironmentService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of environment variables."""
    services.provide(EnvironmentService(core.cluster.client))


feature = Feature("environment", (Mount(API_V1, router),), install)

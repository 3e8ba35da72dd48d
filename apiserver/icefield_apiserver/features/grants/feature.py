"""Grants, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.workspaces.service import WorkspaceService

from .routes import router
from .service import GrantService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of grants."""
    services.provide(GrantService(core.cluster, services.get(WorkspaceService), core.catalogs))


feature = Feature("grants", (Mount(API_V1, router),), install, needs=("workspaces",))

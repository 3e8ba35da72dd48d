"""Log-in, the caller, and API keys, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services

from .routes import router
from .service import AccountService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of callers' own accounts."""
    services.provide(AccountService(core.db, core.cluster.workspace_directory))


feature = Feature("auth", (Mount(API_V1, router),), install)

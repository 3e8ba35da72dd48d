"""Users, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.identity.passwords import Passwords

from .routes import router
from .service import UserService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of users."""
    services.provide(UserService(core.db, services.get(Passwords)))


feature = Feature("users", (Mount(API_V1, router),), install)

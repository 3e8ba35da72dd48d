"""Runs, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services

from .results import RunResults
from .routes import jobs_router, router
from .service import RunService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of runs."""
    results = await stack.enter_async_context(RunResults.open(core.bucket))
    services.provide(RunService(core.cluster, results))


feature = Feature("runs", (Mount(API_V1, router), Mount(API_V1, jobs_router)), install, needs=("jobs",))

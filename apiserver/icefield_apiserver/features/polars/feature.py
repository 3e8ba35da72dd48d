"""Polars workloads, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.runs.service import RunService

from .routes import router
from .service import PolarsService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of Polars workloads."""
    services.provide(
        PolarsService(services.get(RunService), core.secrets, core.cluster.workspace_directory, core.closing)
    )


feature = Feature("polars", (Mount(API_V1, router),), install, needs=("runs",))

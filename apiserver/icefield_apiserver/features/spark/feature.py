"""Spark applications and their artifacts, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V2, Core, Feature, Mount, Services
from icefield_apiserver.features.runs.service import RunService

from .artifacts import ArtifactService
from .routes import router
from .service import SparkService
from .store import ArtifactStore


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the services of Spark applications and artifacts."""
    artifacts = ArtifactService(ArtifactStore(core.db), core.cluster, core.secrets, core.stores)
    services.provide(SparkService(services.get(RunService), artifacts), artifacts)


feature = Feature("spark", (Mount(API_V2, router),), install, needs=("runs",))

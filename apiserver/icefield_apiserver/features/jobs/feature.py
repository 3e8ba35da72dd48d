"""Jobs, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.core.kube import WatchedKind
from icefield_apiserver.core.kube.indexes import JOBS
from icefield_crds import Job

from .routes import router
from .service import JobService
from .summaries import JobSummaries


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the services of jobs."""
    services.provide(JobService(core.cluster))
    services.provide(JobSummaries())


feature = Feature("jobs", (Mount(API_V1, router),), install, watched=(WatchedKind(Job, JOBS),))

"""Runs, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.core.repeating import repeating

from .archive import ArchivedRuns
from .janitor import Dependencies, RunJanitor
from .results import RunResults
from .routes import jobs_router, router
from .service import RunService
from .store import RunStore


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of runs and the janitor, which works until the stack is closed."""
    results = await stack.enter_async_context(RunResults.open(core.bucket))
    archive = ArchivedRuns(core.db)
    retention = core.settings.retention
    janitor = RunJanitor(Dependencies(core.db, core.cluster, archive, results), retention.max_ended_runs)
    await stack.enter_async_context(repeating(janitor.sweep, retention.interval_seconds))
    services.provide(RunService(core.cluster, RunStore(core.cluster, archive), results), janitor)


feature = Feature("runs", (Mount(API_V1, router), Mount(API_V1, jobs_router)), install, needs=("jobs",))

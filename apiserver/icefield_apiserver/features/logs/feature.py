"""Logs, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.core.repeating import repeating
from icefield_apiserver.features.runs.service import RunService

from .archive import Archive
from .janitor import LogJanitor
from .pod import PodLogs
from .routes import router
from .service import LogService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of logs, and delete what is too old until the stack is closed."""
    janitor = LogJanitor(core.db, core.bucket, core.cluster)
    await stack.enter_async_context(repeating(janitor.sweep, core.settings.retention.log_interval_seconds))
    services.provide(LogService(Archive(core.bucket), PodLogs(core.cluster.client), services.get(RunService)))


feature = Feature("logs", (Mount(API_V1, router),), install, needs=("runs",))

"""Lineage, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.core.repeating import repeating
from icefield_apiserver.features.runs.service import RunService

from .graph_store import LineageGraphStore
from .janitor import LineageJanitor
from .routes import ROUTERS
from .service import LineageRecorder, LineageService
from .store import LineageStore


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the recorder and the service of lineage, and delete what is too old until the stack is closed."""
    workspaces = core.cluster.workspace_directory
    store = LineageStore(core.db)
    janitor = LineageJanitor(store, workspaces)
    await stack.enter_async_context(repeating(janitor.sweep, core.settings.retention.interval_seconds))
    services.provide(
        LineageRecorder(core.db, workspaces),
        LineageService(store, LineageGraphStore(core.db), workspaces, services.get(RunService), core.catalogs),
    )


feature = Feature("lineage", tuple(Mount(API_V1, each) for each in ROUTERS), install, needs=("runs",))

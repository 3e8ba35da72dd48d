"""SQL statements, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, Core, Feature, Mount, Services
from icefield_apiserver.features.grants.service import GrantService
from icefield_apiserver.features.lineage.service import LineageRecorder
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.volumes.service import VolumeService
from icefield_apiserver.features.warehouses.service import WarehouseService

from .ahead import RecentReads
from .copied_files import CopiedFiles
from .dependencies import ExecutionDependencies
from .dispatch import Dispatcher
from .executor import Executor
from .gateway import Gateways
from .history import StatementHistory
from .janitor import Janitor
from .openlineage import LineageEvents
from .planning import Planner
from .results import ResultStore
from .routes import router
from .service import StatementService
from .store import StatementRepository
from .waking import Waker


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of statements, running until the stack is closed."""
    settings = core.settings
    gateways = await stack.enter_async_context(Gateways.open(core.secrets))
    results = ResultStore(core.bucket)
    events = await stack.enter_async_context(LineageEvents.open(settings.openlineage))
    warehouses, runs, volumes = services.get(WarehouseService), services.get(RunService), services.get(VolumeService)
    waker = Waker(warehouses, settings.statements)
    deps = ExecutionDependencies(
        repository=StatementRepository(core.db),
        planner=Planner(core.catalogs, core.planning),
        recent_reads=RecentReads(),
        catalogs=core.catalogs,
        waker=waker,
        dispatcher=Dispatcher(gateways, waker, settings.statements),
        recorder=services.get(LineageRecorder),
        workspaces=core.cluster.workspace_directory,
        volumes=volumes,
        copied_files=CopiedFiles(core.db),
        settings=settings.statements,
    )
    janitor = Janitor(deps.repository, results, deps.workspaces)
    executor = Executor(deps, janitor, core.closing, events)
    await stack.enter_async_context(executor.running())
    services.provide(
        StatementService(
            deps.repository,
            executor,
            deps.planner,
            results,
            warehouses,
            runs,
            volumes,
            services.get(GrantService),
            deps.workspaces,
        ),
        StatementHistory(deps.repository, warehouses, runs, deps.workspaces),
    )


feature = Feature(
    "statements", (Mount(API_V1, router),), install, needs=("runs", "warehouses", "lineage", "volumes", "grants")
)

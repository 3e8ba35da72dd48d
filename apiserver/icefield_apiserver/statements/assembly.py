"""Puts the parts together that run statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.db import Database
from icefield_apiserver.kube import Cluster
from icefield_apiserver.kube.secrets import WorkspaceSecrets
from icefield_apiserver.lineage import LineageRecorder
from icefield_apiserver.lineage.events import LineageEvents
from icefield_apiserver.repositories.runs import RunRepository
from icefield_apiserver.repositories.warehouses import WarehouseRepository
from icefield_apiserver.settings import Settings

from .executor import Executor
from .following import Follower
from .gateway import Gateways
from .parts import Parts
from .planning import Planner
from .repository import StatementRepository
from .results import ResultStore
from .service import Statements
from .waking import Waker


@asynccontextmanager
async def open_statements(
    settings: Settings,
    db: Database,
    cluster: Cluster,
    secrets: WorkspaceSecrets,
    catalogs: Catalogs,
    recorder: LineageRecorder,
    closing: asyncio.Event,
) -> AsyncIterator[Statements]:
    """Run statements for as long as the context lasts.

    Args:
        settings: the server's.
        db: where statements are recorded.
        cluster: where the warehouses are; its caches are filled.
        secrets: where the tokens of gateways are.
        catalogs: the workspaces' catalogs.
        recorder: keeps lineage.
        closing: set when the process is told to stop.
    """
    warehouses = WarehouseRepository(cluster)
    async with (
        Gateways.open(secrets) as gateways,
        ResultStore.open(settings.object_store) as results,
        LineageEvents.open(settings.openlineage) as events,
    ):
        waker = Waker(warehouses, settings.statements)
        parts = Parts(
            repository=StatementRepository(db),
            planner=Planner(catalogs),
            catalogs=catalogs,
            waker=waker,
            follower=Follower(gateways, waker, settings.statements),
            recorder=recorder,
            workspaces=cluster.workspace_directory,
            settings=settings.statements,
        )
        executor = Executor(parts, results, closing, events)
        async with executor.running():
            yield Statements(
                parts.repository,
                executor,
                parts.planner,
                results,
                warehouses,
                RunRepository(cluster),
                cluster.workspace_directory,
            )

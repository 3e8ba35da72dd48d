"""The application: the list of its features, and the order in which it starts and stops."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from icefield_apiserver.core.planning_threads import PlanningThreads
from icefield_kube.request_review import RequestReview

from . import identity
from .core import health, metrics
from .core.catalog import Catalogs
from .core.db import Database
from .core.errors import ERROR_RESPONSES, install_error_handlers
from .core.feature import Core, Services, check_order
from .core.kube import Cluster
from .core.kube.secrets import WorkspaceSecrets
from .core.middleware import install_middleware
from .core.objects.transfers import Bucket, BucketAccess, open_http
from .core.objects.workspace_stores import WorkspaceStores
from .core.openapi import install_openapi, operation_id
from .core.settings import Settings
from .core.shutdown import Shutdown
from .features.auth.feature import feature as auth
from .features.catalogs.feature import feature as catalogs
from .features.databases.feature import feature as databases
from .features.environment.feature import feature as environment
from .features.flavors.feature import feature as flavors
from .features.grants.feature import feature as grants
from .features.iceberg.feature import feature as iceberg
from .features.jobs.feature import feature as jobs
from .features.lineage.feature import feature as lineage
from .features.loads.feature import feature as loads
from .features.logs.feature import feature as logs
from .features.maintenance.feature import feature as maintenance
from .features.polars.feature import feature as polars
from .features.query.feature import feature as query
from .features.runs.feature import feature as runs
from .features.runs_v2.feature import feature as runs_v2
from .features.spark.feature import feature as spark
from .features.statements.feature import feature as statements
from .features.tables.feature import feature as tables
from .features.users.feature import feature as users
from .features.volumes.feature import feature as volumes
from .features.warehouses.feature import feature as warehouses
from .features.workspaces.feature import feature as workspaces

FEATURES = (
    auth,
    users,
    workspaces,
    grants,
    flavors,
    jobs,
    runs,
    logs,
    warehouses,
    lineage,
    tables,
    volumes,
    statements,
    loads,
    catalogs,
    databases,
    maintenance,
    environment,
    polars,
    spark,
    query,
    runs_v2,
    iceberg,
)
ROUTED_FIRST = (statements, query)
"""Routes are tried in order: behind those of all other features a statement starts a tenth of a millisecond later."""
TURN_SECONDS = 0.001
"""How long the event loop waits for a turn while threads compute, each time that it has waited for something else."""
SYNC_SECONDS = 60


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it connects to nothing before its lifespan starts."""
    check_order(FEATURES)
    app = FastAPIOffline(
        title="Icefield",
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
    )
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods:  # FastAPI's own, such as /docs
            route.methods.add("HEAD")
    app.state.settings = settings
    app.state.shutdown = shutdown = Shutdown()
    install_middleware(app, settings.trusted_proxies, shutdown)
    install_error_handlers(app)
    install_openapi(app)
    routed = sorted(FEATURES, key=lambda feature: feature not in ROUTED_FIRST)
    for mount in (mount for feature in routed for mount in feature.mounts):
        app.include_router(mount.router, prefix=mount.prefix, responses=ERROR_RESPONSES)
    app.include_router(health.router)
    app.include_router(metrics.router)
    return app


def from_environment() -> FastAPI:
    """Return the application with settings from the environment, for uvicorn."""
    app = create_app(Settings())
    # Some 240,000 objects live as long as the process; a full garbage collection over them stops every request.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(TURN_SECONDS)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect to everything, then report ready; a failure here ends the process, and Kubernetes restarts it."""
    async with AsyncExitStack() as stack:
        core = await _open_core(app.state.settings, app.state.shutdown, stack)
        services = Services()
        app.state.core, app.state.services = core, services
        services.provide(RequestReview(core.cluster.client))
        await identity.install(core, services)
        async with asyncio.timeout(SYNC_SECONDS):
            await core.cluster.wait_until_synced()
        for feature in FEATURES:
            if feature.install:
                await feature.install(core, services, stack)
        yield


async def _open_core(settings: Settings, shutdown: Shutdown, stack: AsyncExitStack) -> Core:
    db = await stack.enter_async_context(
        Database.open(settings.database_url.get_secret_value(), settings.database_pool_size)
    )
    cluster = await stack.enter_async_context(Cluster.open(kind for feature in FEATURES for kind in feature.watched))
    secrets = WorkspaceSecrets(cluster.client)
    http = await stack.enter_async_context(open_http())
    access = BucketAccess.of_platform(settings.object_store)
    return Core(
        settings=settings,
        db=db,
        cluster=cluster,
        secrets=secrets,
        catalogs=await stack.enter_async_context(Catalogs.open(secrets)),
        bucket=await stack.enter_async_context(Bucket.open(access, http)),
        planning=PlanningThreads(),
        stores=await stack.enter_async_context(WorkspaceStores.open(secrets, http)),
        closing=stack.enter_context(shutdown.at_signal(settings.drain_seconds)),
    )

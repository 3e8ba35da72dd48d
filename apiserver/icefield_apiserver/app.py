"""The application: what it is made of, and the order in which that starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from . import health, metrics
from .catalog import Catalogs
from .db import Database
from .errors import ERROR_RESPONSES, install_error_handlers
from .iceberg.access import FileAccess
from .iceberg.proxy import Proxy
from .iceberg.run_lineage import RunLineage
from .identity.authentication import Authenticator
from .identity.login import Logins
from .identity.passwords import Passwords
from .identity.run_tokens import RunTokens
from .identity.session_tokens import SessionTokens
from .identity.users import ensure_first_administrator
from .kube import Cluster
from .kube.secrets import WorkspaceSecrets
from .lineage import LineageRecorder
from .lineage.graph import LineageGraph
from .logs import Archive
from .middleware import RequestMiddleware
from .openapi import install_openapi, operation_id
from .polars.results import RunResults
from .polars.service import PolarsService
from .repositories import dependencies
from .routes import (
    auth,
    catalogs,
    databases,
    environment,
    flavors,
    iceberg,
    jobs,
    lineage,
    logs,
    polars,
    query,
    runs,
    runs_v2,
    spark,
    statements,
    tables,
    users,
    volumes,
    warehouses,
    workspaces,
)
from .settings import Settings
from .statements.assembly import open_statements
from .stopping import told_to_stop
from .volumes.store import WorkspaceStores

API_PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (
    auth.router,
    users.router,
    workspaces.router,
    flavors.router,
    jobs.router,
    runs.router,
    logs.router,
    warehouses.router,
    statements.router,
    catalogs.router,
    databases.router,
    tables.router,
    environment.router,
    lineage.router,
    volumes.router,
    polars.router,
    query.router,
)
SECOND_PREFIX = "/api/v2"
SECOND_ROUTERS: tuple[APIRouter, ...] = (runs_v2.router, spark.router)
"""What only oleander's client asks for, where it does."""
SYNC_SECONDS = 60


def create_app(settings: Settings) -> FastAPI:
    """Return the application; nothing outside is touched before its lifespan begins."""
    app = FastAPIOffline(
        title="Icefield",
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.add_middleware(
        RequestMiddleware, max_body_bytes=settings.max_body_bytes, streamed=f"{volumes.UPLOAD}|{spark.UPLOAD}"
    )
    install_error_handlers(app)
    install_openapi(app)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX, responses=ERROR_RESPONSES)
    for router in SECOND_ROUTERS:
        app.include_router(router, prefix=SECOND_PREFIX, responses=ERROR_RESPONSES)
    app.include_router(iceberg.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    return app


def from_environment() -> FastAPI:
    """Return the application with settings from the environment, for uvicorn."""
    return create_app(Settings())


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect to everything, last of all say ready; what fails here ends the process, and Kubernetes starts it anew."""
    settings: Settings = app.state.settings
    state = app.state
    async with AsyncExitStack() as stack:
        state.db = await stack.enter_async_context(
            Database.open(settings.database_url.get_secret_value(), settings.database_pool_size)
        )
        state.cluster = await stack.enter_async_context(Cluster.open())
        state.secrets = WorkspaceSecrets(state.cluster.client)
        state.catalogs = await stack.enter_async_context(Catalogs.open(state.secrets))
        archive = await stack.enter_async_context(Archive.open(settings.object_store))
        state.lineage_graph = LineageGraph(state.db)
        state.lineage = LineageRecorder(state.db, state.cluster.workspace_directory)
        dependencies.install(app, state.cluster, archive)
        stores = await stack.enter_async_context(WorkspaceStores.open(state.secrets))
        dependencies.install_catalog(app, state.cluster, state.catalogs, state.secrets, stores)
        access = FileAccess(state.secrets, settings.object_store.external_endpoint)
        state.iceberg = Proxy(state.catalogs, access, RunLineage(state.lineage))
        _install_identity(app, settings)
        if settings.admin_email and settings.admin_password:
            await ensure_first_administrator(
                state.db, state.passwords, settings.admin_email, settings.admin_password.get_secret_value()
            )
        async with asyncio.timeout(SYNC_SECONDS):
            await state.cluster.wait_until_synced()
        closing = stack.enter_context(told_to_stop())
        results = await stack.enter_async_context(RunResults.open(settings.object_store))
        state.polars = PolarsService(state.runs, results, state.secrets, state.cluster.workspace_directory, closing)
        state.statements = await stack.enter_async_context(
            open_statements(settings, state.db, state.cluster, state.secrets, state.catalogs, state.lineage, closing)
        )
        dependencies.install_queries(app, state.cluster, state.catalogs)
        yield


def _install_identity(app: FastAPI, settings: Settings) -> None:
    state = app.state
    sessions = SessionTokens(settings.session_key.get_secret_value(), settings.session_lifetime_seconds)
    state.passwords = Passwords()
    state.logins = Logins(state.db, sessions, state.passwords, settings.session_renewable_seconds)
    state.authenticator = Authenticator(
        state.db,
        sessions,
        RunTokens.from_file(settings.run_token_public_key_file),
        state.cluster.workspace_directory,
        state.cluster.run_directory,
    )

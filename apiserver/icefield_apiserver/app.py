"""The application: what it is made of, and the order in which that starts and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from . import health, metrics
from .db import Database
from .errors import ERROR_RESPONSES, install_error_handlers
from .middleware import RequestMiddleware
from .openapi import install_openapi, operation_id
from .settings import Settings

API_PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = ()


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
    app.add_middleware(RequestMiddleware, max_body_bytes=settings.max_body_bytes)
    install_error_handlers(app)
    install_openapi(app)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX, responses=ERROR_RESPONSES)
    app.include_router(health.router)
    app.include_router(metrics.router)
    return app


def from_environment() -> FastAPI:
    """Return the application with settings from the environment, for uvicorn."""
    return create_app(Settings())


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        app.state.db = await stack.enter_async_context(
            Database.open(settings.database_url.get_secret_value(), settings.database_pool_size)
        )
        yield

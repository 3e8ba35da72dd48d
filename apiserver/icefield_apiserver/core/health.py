"""Liveness and readiness of the process."""

from __future__ import annotations

import asyncio

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from .errors import Error, Unavailable
from .kube import Cluster
from .routes import Router

PING_SECONDS = 5

router = Router(tags=["Health"])


class Health(BaseModel):
    """Health of the server."""

    status: str = Field(description="Always `ok`; errors have another HTTP status.", examples=["ok"])


@router.get("/livez", summary="Check liveness")
@router.get("/healthz", include_in_schema=False)
async def read_liveness() -> Health:
    """Respond as long as the event loop runs."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Check readiness",
    responses={503: {"model": Error, "description": "The database or the cluster cannot be reached yet."}},
)
async def read_readiness(request: Request) -> Health:
    """Respond 200 once the database is reachable and the watch caches are synced."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await request.app.state.core.db.ping()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise Unavailable("The database cannot be reached.") from error
    cluster: Cluster = request.app.state.core.cluster
    if problem := cluster.problem():
        raise Unavailable(problem)
    return Health(status="ok")

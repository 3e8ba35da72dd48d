"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from .errors import Error, Unavailable
from .kube import Cluster

PING_SECONDS = 5

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    """A sign of life."""

    status: str = Field(description="ok", examples=["ok"])


@router.get("/livez", summary="Whether the process lives")
@router.get("/healthz", include_in_schema=False)
async def read_liveness() -> Health:
    """Answer as long as the event loop turns."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Whether the server can answer requests",
    responses={503: {"model": Error, "description": "The database or the cluster cannot be reached yet."}},
)
async def read_readiness(request: Request) -> Health:
    """Answer 200 once the database answers and the watch caches are filled."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await request.app.state.db.ping()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise Unavailable("The database cannot be reached.") from error
    cluster: Cluster = request.app.state.cluster
    if problem := cluster.problem():
        raise Unavailable(problem)
    return Health(status="ok")

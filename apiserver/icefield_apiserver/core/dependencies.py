"""FastAPI dependencies on the core."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from .catalog.model import Namespace
from .catalog.names import DEFAULT_SCHEMA, schema_namespace
from .feature import Core
from .kube import Cluster
from .settings import Settings


async def _settings(request: Request) -> Settings:
    return cast(Core, request.app.state.core).settings


async def _cluster(request: Request) -> Cluster:
    return cast(Core, request.app.state.core).cluster


async def _namespace(id: str, schema: str = DEFAULT_SCHEMA) -> Namespace:  # noqa: A002 - as the reference has it
    """Return the namespace of the request's path; without a schema in the path, the query may name one."""
    return schema_namespace(id, schema)


CurrentSettings = Annotated[Settings, Depends(_settings)]
CurrentCluster = Annotated[Cluster, Depends(_cluster)]
"""For routes of a feature without rules of its own, which needs no service."""
Place = Annotated[Namespace, Depends(_namespace)]
IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="A second request with the same key runs nothing again.")
]

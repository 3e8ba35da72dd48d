"""The OpenAPI document: as FastAPI makes it, but true about errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

DESCRIPTION = """The REST API of Icefield.

Lists take `limit` (default 50, at most 200) and `cursor`, and carry `next_cursor` when there is more.
Times are ISO 8601 in UTC. Wherever a path takes an id, it takes a name as well.
"""


def operation_id(route: APIRoute) -> str:
    """Name an operation as its function is, so that a generated client's methods read well."""
    return route.name


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi` describe what the server really answers."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _without_422(
                get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _without_422(document: dict[str, Any]) -> dict[str, Any]:
    """Drop the 422 that FastAPI documents by itself: we answer 400."""
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for schema in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(schema, None)
    return document

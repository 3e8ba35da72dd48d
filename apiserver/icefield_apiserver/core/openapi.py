"""The OpenAPI document, with the errors that the server really responds."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from .errors import BODY_ERROR_RESPONSES, Error

DESCRIPTION = """The REST API of Icefield.

Lists take `limit` (default 50, at most 200) and `cursor`, and return `next_cursor` when there are more rows.
A field or a query parameter that is not documented is 400, with the name that is nearest to it.
Times are ISO 8601 in UTC. Wherever a path takes an id, it takes a name as well.
"""


def operation_id(route: APIRoute) -> str:
    """Return the name of the route's function, which generated clients use as a method name."""
    return route.name


def install_openapi(app: FastAPI) -> None:
    """Replace `app.openapi` with a document that describes the actual error responses."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_actual_errors(
                get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_actual_errors(document: dict[str, Any]) -> dict[str, Any]:
    """Remove the 422 that FastAPI documents, as validation errors are 400 here, and add what refuses a body."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Error.__name__}"}}}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            if "requestBody" in operation:
                for status, description in BODY_ERROR_RESPONSES.items():
                    operation["responses"][status] = {"description": description, "content": content}
    for schema in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(schema, None)
    return document

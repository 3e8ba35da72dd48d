"""Errors in the shape of the Iceberg REST protocol: `{"error": {"message": …, "type": …, "code": …}}`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy import exc as sql

from icefield_apiserver.errors import UNAVAILABLE, ApiError, validation_sentence

log = logging.getLogger(__name__)

_TYPES = {
    400: "BadRequestException",
    401: "NotAuthorizedException",
    403: "ForbiddenException",
    404: "NotFoundException",
    405: "UnsupportedOperationException",
    409: "AlreadyExistsException",
    503: "ServiceUnavailableException",
    504: "CommitStateUnknownException",
}


class IcebergRoute(APIRoute):
    """A route whose errors have the protocol's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with errors turned into answers."""
        handle = super().get_route_handler()

        async def handle_with_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                return error_model(error.status_code, error.sentence, error.headers)
            except RequestValidationError as error:
                return error_model(400, validation_sentence(error.errors()))
            except (sql.OperationalError, sql.InterfaceError, sql.TimeoutError, aiohttp.ClientError, TimeoutError) as e:
                log.error("a dependency is away: %s: %s", type(e).__name__, e)
                return error_model(503, UNAVAILABLE)

        return handle_with_errors


def error_model(status: int, message: str, headers: Any = None, kind: str | None = None) -> JSONResponse:
    """Return the answer for an error.

    Args:
        status: its HTTP status.
        message: what went wrong, as one sentence.
        headers: more headers.
        kind: the exception's name, where it is not the status' usual one.
    """
    name = kind or _TYPES.get(status, "ServiceFailureException")
    error = {"message": message, "type": name, "code": status}
    return JSONResponse({"error": error}, status, dict(headers) if headers else None)


def passed_on(status: int, body: bytes) -> JSONResponse:
    """Return a catalog's own refusal as clients may see it: without a stack trace, and without our own sign-in in it.

    Args:
        status: its HTTP status.
        body: its body, an ErrorModel when all is well.
    """
    if status in (401, 403):
        log.error("a catalog refused the platform's own access: %s", body[:2000].decode(errors="replace"))
        return error_model(503, UNAVAILABLE)
    try:
        said = json.loads(body).get("error")
    except (ValueError, AttributeError):
        said = None
    if not isinstance(said, dict):
        return error_model(status, "The catalog gave no reason.")
    return error_model(status, str(said.get("message") or ""), kind=str(said.get("type") or "") or None)

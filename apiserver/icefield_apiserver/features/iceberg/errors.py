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
from sqlalchemy import exc as sql

from icefield_apiserver.core.errors import UNAVAILABLE, ApiError, validation_sentence
from icefield_apiserver.core.json_text import IN_THREAD_BYTES
from icefield_apiserver.core.routes import Route

log = logging.getLogger(__name__)

_TYPES = {
    400: "BadRequestException",
    401: "NotAuthorizedException",
    403: "ForbiddenException",
    404: "NotFoundException",
    405: "UnsupportedOperationException",
    409: "AlreadyExistsException",
    413: "BadRequestException",
    503: "ServiceUnavailableException",
    504: "CommitStateUnknownException",
}


class IcebergRoute(Route):
    """A route whose errors are ErrorModels of the protocol, and that takes any query parameter.

    Which there are is the catalog's to say, and clients of later versions of the protocol send more.
    """

    @property
    def query_parameters(self) -> None:
        """Any."""
        return None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with errors converted into ErrorModel responses."""
        handle = super().get_route_handler()

        async def handle_with_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                return error_model(error.status_code, error.sentence, error.headers)
            except RequestValidationError as error:
                return error_model(400, validation_sentence(error.errors()))
            except (sql.OperationalError, sql.InterfaceError, sql.TimeoutError, aiohttp.ClientError, TimeoutError) as e:
                log.error("a dependency is unavailable: %s: %s", type(e).__name__, e)
                return error_model(503, UNAVAILABLE)

        return handle_with_errors


def error_model(status: int, message: str, headers: Any = None, kind: str | None = None) -> JSONResponse:
    """Return an error response.

    Args:
        status: HTTP status.
        message: the reason, as one sentence.
        headers: additional headers.
        kind: name of the exception; the default of the status when None.
    """
    name = kind or _TYPES.get(status, "ServiceFailureException")
    error = {"message": message, "type": name, "code": status}
    return JSONResponse({"error": error}, status, dict(headers) if headers else None)


def forwarded_error(status: int, body: bytes) -> JSONResponse:
    """Return a catalog's error for clients, without its stack trace; failures of our own authentication become 503.

    Args:
        status: HTTP status of the catalog's response.
        body: body of the response, normally an ErrorModel.
    """
    if status in (401, 403):
        log.error("a catalog rejected the platform's credentials: %s", body[:2000].decode(errors="replace"))
        return error_model(503, UNAVAILABLE)
    try:
        # None is so long but for a fault of the catalog, and parsing it would stop the event loop.
        error = json.loads(body).get("error") if len(body) <= IN_THREAD_BYTES else None
    except (ValueError, AttributeError):
        error = None
    if not isinstance(error, dict):
        return error_model(status, "The catalog gave no reason.")
    return error_model(status, str(error.get("message") or ""), kind=str(error.get("type") or "") or None)

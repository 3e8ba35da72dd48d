"""Error responses: a JSON object with one sentence, `{"error": "..."}` (API reference, "Errors").

Raise an `ApiError`. All other errors (an unknown path, an invalid body, an error of Kubernetes, an unavailable
database, a bug) are converted into the same shape here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import exc as sql
from starlette.exceptions import HTTPException

from icefield_crds.patterns import PATTERNS_IN_WORDS
from icefield_kube.errors import KubernetesError, Unreachable, rest_answer

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
"""When to repeat a request that found a part of the platform unavailable."""

UNAVAILABLE = "A part of the platform cannot be reached at the moment; try again shortly."


class Error(BaseModel):
    """The body of every error."""

    error: str = Field(description="What went wrong, as one sentence.", examples=["There is no job nightly."])


class ApiError(HTTPException):
    """An error response, with the sentence for the caller.

    It is an HTTPException because FastAPI re-raises only those while it reads a request's body.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, sentence, dict(headers) if headers else None)
        self.sentence = sentence


class BadRequest(ApiError):  # noqa: N818 - named as HTTP names it
    """400: malformed request or invalid parameters."""

    def __init__(self, sentence: str) -> None:
        super().__init__(400, sentence)


class Unauthorized(ApiError):  # noqa: N818
    """401: missing or expired token."""

    def __init__(self, sentence: str = "A valid bearer token is required.") -> None:
        super().__init__(401, sentence, {"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):  # noqa: N818
    """403: authenticated, but not permitted."""

    def __init__(self, sentence: str = "Your role does not permit this.") -> None:
        super().__init__(403, sentence)


class NotFound(ApiError):  # noqa: N818
    """404: not found, or not in the caller's workspace."""

    def __init__(self, sentence: str = "Not found in this workspace.") -> None:
        super().__init__(404, sentence)


class Conflict(ApiError):  # noqa: N818
    """409: the resource exists already, or its state does not allow this."""

    def __init__(self, sentence: str) -> None:
        super().__init__(409, sentence)


class TooLarge(ApiError):  # noqa: N818
    """413: the body, or the file in it, is longer than allowed (RFC 9110, 15.5.14); the sentence names the limit."""

    def __init__(self, sentence: str) -> None:
        super().__init__(413, sentence)


class UnsupportedMediaType(ApiError):  # noqa: N818
    """415: the body has another media type than the route takes (RFC 9110, 15.5.16)."""

    def __init__(self, sentence: str) -> None:
        super().__init__(415, sentence)


class QuotaExceeded(ApiError):  # noqa: N818
    """429: a ceiling is reached; the sentence carries the exact limit, such as `max_running_runs=10, current=10`."""

    def __init__(self, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(429, sentence, {"Retry-After": str(retry_after)} if retry_after else None)


class Unavailable(ApiError):  # noqa: N818
    """503: a dependency is unavailable; published clients retry on 5xx."""

    def __init__(self, sentence: str = UNAVAILABLE) -> None:
        super().__init__(503, sentence)


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "Malformed request or invalid parameters."},
    401: {"model": Error, "description": "Missing or expired token."},
    403: {"model": Error, "description": "Authenticated but not permitted."},
    404: {"model": Error, "description": "Not found, or not in your workspace."},
    409: {"model": Error, "description": "Conflict, for example with an existing resource or its state."},
    429: {"model": Error, "description": "Quota exceeded; the sentence names the limit."},
}
"""Error responses documented for every route under /api/v1."""

BODY_ERROR_RESPONSES: dict[str, str] = {
    "413": "The body is too long; the sentence names the limit.",
    "415": "The body is not sent as what the route takes.",
}
"""Descriptions of the error responses of routes that take a body."""


def error_response(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error response; every 503 says when to try again."""
    unavailable = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return JSONResponse({"error": sentence}, status, unavailable | dict(headers or {}))


def install_error_handlers(app: FastAPI) -> None:
    """Install handlers that convert every error into an error response."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(KubernetesError, _on_kubernetes_error)
    app.add_exception_handler(sql.DataError, _on_unstorable)
    for kind in (sql.OperationalError, sql.InterfaceError, sql.TimeoutError, aiohttp.ClientError, TimeoutError):
        app.add_exception_handler(kind, _on_unavailable)


def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    path, method = request.url.path, request.method
    sentence = str(error.detail)
    if not isinstance(error, ApiError):
        if error.status_code == 404:
            sentence = f"Not found: {path}."
        elif error.status_code == 405:
            sentence = f"{method} is not allowed at {path}."
    return error_response(error.status_code, sentence, error.headers)


def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return error_response(400, validation_sentence(error.errors()))


def _on_kubernetes_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KubernetesError)  # noqa: S101
    if isinstance(error, Unreachable):
        return _on_unavailable(request, error)
    status, sentence = rest_answer(error)
    if status >= 500:
        log.error("Kubernetes answered %s: %s", error.status, error)
    return error_response(status, sentence)


def _on_unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("a dependency is unavailable: %s: %s", type(error).__name__, error)
    return error_response(503, UNAVAILABLE)


def _on_unstorable(request: Request, error: Exception) -> JSONResponse:
    return error_response(400, "A text contains a character that cannot be stored, such as NUL.")


_SOURCES = {"query": "Query parameter", "path": "Path parameter", "header": "Header", "cookie": "Cookie"}


UNKNOWN_FIELD = "unknown_field"
"""Type of pydantic's error for a field that a request's body does not have."""


UNION_BRANCHES = {"str", "constrained-str", "int", "float", "bool", "none"}
"""What pydantic calls the branches of unions in the paths of errors; the models of requests add their names."""
_SHOWN_CHARACTERS = 64


def validation_sentence(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return the first of pydantic's errors, an unknown field before all others, as a sentence that names the field."""
    first = next((error for error in errors if error["type"] == UNKNOWN_FIELD), None) or _most_specific(errors)
    source, *path = first["loc"]
    if first["type"] == "json_invalid":
        return f"The body is not valid JSON: {first.get('ctx', {}).get('error', 'it cannot be parsed')}."
    name = _field_name(_fields(path))
    if source == "body":
        subject = f"Field {name}" if name else "The body"
    else:
        subject = f"{_SOURCES.get(source, source)} {name}"
    if first["type"] == UNKNOWN_FIELD:
        return f"{subject} {first['msg']}"
    if first["type"] == "missing":
        return f"{subject} is required."
    if first["type"] == "string_pattern_mismatch":
        return f"{subject}: {PATTERNS_IN_WORDS.get(first['ctx']['pattern'], first['msg'])}."
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{subject}: {message}".rstrip(".") + "."


def _most_specific(errors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first error; of a union, whose branches all have one, that of the branch which fits best."""
    where = _fields(errors[0]["loc"])
    same = (error for error in errors if _fields(error["loc"])[: len(where)] == where)
    return max(same, key=lambda error: len(error["loc"]))


def _fields(path: Sequence[str | int]) -> list[str | int]:
    return [part for part in path if not _is_union_branch(part)]


def _field_name(path: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in path).removeprefix(".")


def _shown(name: str) -> str:
    """Return a name of a path, which may be a key that the caller chose, as long as it has a sentence's length."""
    if not name:
        return "''"
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…"


def _is_union_branch(part: str | int) -> bool:
    """Return whether a part of pydantic's path names a branch of a union, such as `list[Task]` or `str`."""
    return isinstance(part, str) and (part in UNION_BRANCHES or "[" in part)

"""Translates error responses of catalogs into errors of the REST API.

A catalog responds with Iceberg's ErrorModel, `{"error": {"message": …, "type": …, "code": …}}`. The `type` is the name
of a Java exception and differs between catalogs, so decisions depend on the HTTP status and on the operation.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from icefield_apiserver.core.errors import ApiError, Conflict, NotFound
from icefield_apiserver.core.json_text import IN_THREAD_BYTES

log = logging.getLogger(__name__)

UNREACHABLE = "The workspace's catalog cannot be reached at the moment; try again shortly."
_STATUSES = {400: 400, 404: 404, 406: 400, 409: 409, 415: 400, 422: 400}


class CatalogError(ApiError):
    """An error response of a catalog.

    Attributes:
        upstream_status: HTTP status of the catalog's response.
        kind: name of the exception in it, such as NoSuchTableException.
    """

    def __init__(self, upstream_status: int, kind: str, message: str) -> None:
        self.upstream_status = upstream_status
        self.kind = kind
        status = _STATUSES.get(upstream_status, 503)
        super().__init__(status, _sentence(message) if status < 500 else UNREACHABLE)

    @classmethod
    def of(cls, status: int, body: bytes) -> CatalogError:
        """Return the error of a response.

        Args:
            status: HTTP status of the response.
            body: body of the response, normally an ErrorModel.
        """
        error = _error_of(body)
        result = cls(status, str(error.get("type") or ""), str(error.get("message") or ""))
        if result.status_code >= 500:
            log.error("a catalog responded %s: %s", status, body[:2000].decode(errors="replace"))
        return result


class OutcomeUnknown(ApiError):  # noqa: N818
    """504: the catalog received a change and did not respond; it may have been committed."""

    def __init__(self) -> None:
        super().__init__(504, "The workspace's catalog did not respond; whether the change was committed is unknown.")


@contextmanager
def error_messages(*, not_found: str | None = None, conflict: str | None = None) -> Iterator[None]:
    """Replace the messages of 404 and 409 errors raised inside; other errors keep the catalog's message."""
    try:
        yield
    except CatalogError as error:
        if error.status_code == 404 and not_found:
            raise NotFound(not_found) from error
        if error.status_code == 409 and conflict:
            raise Conflict(conflict) from error
        raise


def _error_of(body: bytes) -> dict[str, object]:
    try:
        # None is so long but for a fault of the catalog, and parsing it would stop the event loop.
        error = json.loads(body).get("error") if len(body) <= IN_THREAD_BYTES else None
    except (ValueError, AttributeError):
        return {}
    return error if isinstance(error, dict) else {}


def _sentence(message: str) -> str:
    first = message.strip().splitlines()[0].strip().rstrip(".") if message.strip() else "The catalog refused this"
    return f"{first[:1].upper()}{first[1:500]}."

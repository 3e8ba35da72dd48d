"""What a catalog refused, in the words of the REST API.

A catalog answers with Iceberg's ErrorModel, `{"error": {"message": …, "type": …, "code": …}}`. The `type` is the name
of a Java exception and differs between catalogs, so decisions are made by HTTP status, and by what was asked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from icefield_apiserver.errors import ApiError, Conflict, NotFound

log = logging.getLogger(__name__)

AWAY = "The workspace's catalog cannot be reached at the moment; try again shortly."
_STATUSES = {400: 400, 404: 404, 406: 400, 409: 409, 415: 400, 422: 400}


class CatalogRefusal(ApiError):  # noqa: N818 - as the other answers are named
    """An answer of a catalog other than success.

    Attributes:
        upstream_status: the HTTP status that the catalog gave.
        kind: the exception's name that it gave, such as NoSuchTableException.
    """

    def __init__(self, upstream_status: int, kind: str, message: str) -> None:
        self.upstream_status = upstream_status
        self.kind = kind
        status = _STATUSES.get(upstream_status, 503)
        super().__init__(status, _sentence(message) if status < 500 else AWAY)

    @classmethod
    def of(cls, status: int, body: bytes) -> CatalogRefusal:
        """Return the refusal in an answer.

        Args:
            status: its HTTP status.
            body: its body, an ErrorModel when all is well.
        """
        error = _error_of(body)
        refusal = cls(status, str(error.get("type") or ""), str(error.get("message") or ""))
        if refusal.status_code >= 500:
            log.error("a catalog answered %s: %s", status, body[:2000].decode(errors="replace"))
        return refusal


class OutcomeUnknown(ApiError):  # noqa: N818
    """504: the catalog took a change and did not answer; it may have been made."""

    def __init__(self) -> None:
        super().__init__(504, "The workspace's catalog did not answer; whether the change was made is not known.")


@contextmanager
def saying(*, not_found: str | None = None, conflict: str | None = None) -> Iterator[None]:
    """Say 404 and 409 in these words inside; other refusals keep the catalog's."""
    try:
        yield
    except CatalogRefusal as error:
        if error.status_code == 404 and not_found:
            raise NotFound(not_found) from error
        if error.status_code == 409 and conflict:
            raise Conflict(conflict) from error
        raise


def _error_of(body: bytes) -> dict[str, object]:
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError):
        return {}
    return error if isinstance(error, dict) else {}


def _sentence(message: str) -> str:
    first = message.strip().splitlines()[0].strip().rstrip(".") if message.strip() else "The catalog refused this"
    return f"{first[:1].upper()}{first[1:500]}."

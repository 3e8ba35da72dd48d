"""Calls to a catalog's HTTP API, each with a timeout and with errors a condition can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from .provider import CatalogError

TIMEOUT = httpx.Timeout(20, connect=5)
"""Lakekeeper tries out an object store for up to 8 s before it answers."""

_MESSAGE_LIMIT = 500


class RefusedError(CatalogError):
    """The catalog answered with an error."""

    def __init__(self, status: int, type_: str, message: str) -> None:
        """Keep the HTTP status, the error's type (Iceberg's ErrorModel; may be empty) and its sentence."""
        super().__init__(f"the catalog answered {status}" + (f" {type_}" if type_ else "") + f": {message}")
        self.status = status
        self.type = type_


class Calls:
    """Calls one catalog server."""

    def __init__(self, base: str, token: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Call below `base` with this bearer token; with none when it is empty."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # trust_env: a proxy of the environment must not see the token of the platform's own catalog.
        self._http = httpx.AsyncClient(
            base_url=base.rstrip("/"), headers=headers, timeout=TIMEOUT, trust_env=False, transport=transport
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make a call and return the JSON object of its answer; an empty one for an answer without a body.

        Raises:
            RefusedError: the catalog answered with an error.
            CatalogError: it is not reachable, or its answer is no JSON object.
        """
        try:
            answer = await self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise CatalogError(f"the catalog is not reachable: {error or type(error).__name__}") from error
        if answer.is_error:
            raise _refusal(answer)
        if not answer.content:
            return {}
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise CatalogError(f"the catalog answered {method} {path} with something that is no JSON object")
        return content


def _refusal(answer: httpx.Response) -> RefusedError:
    """Lakekeeper answers what it cannot parse with 422 in plain text, everything else as Iceberg's ErrorModel."""
    try:
        error = answer.json()["error"]
        type_, message = str(error.get("type", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        type_, message = "", answer.text.strip()
    if answer.status_code in (401, 403):
        message = f"the operator's token is not accepted ({message or 'ICEFIELD_CATALOG_ADMIN_TOKEN'})"
    return RefusedError(answer.status_code, type_, message[:_MESSAGE_LIMIT] or answer.reason_phrase)

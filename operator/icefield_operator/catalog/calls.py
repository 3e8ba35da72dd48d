"""Calls to a catalog's HTTP API, each with a timeout and with errors a condition can show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from .provider import CatalogError

TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5)
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

    def __init__(self, base: str, token: str) -> None:
        """Call below `base` with this bearer token; with none when it is empty."""
        self._base = base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opened: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make a call and return the JSON object of its answer; an empty one for an answer without a body.

        Raises:
            RefusedError: the catalog answered with an error.
            CatalogError: it is not reachable, or its answer is no JSON object.
        """
        url = URL(self._base + path, encoded=True)
        try:
            async with self._session.request(method, url, json=body, params=query, allow_redirects=False) as answer:
                text = await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CatalogError(f"the catalog is not reachable: {str(error) or type(error).__name__}") from error
        if answer.status >= 400:
            raise _refusal(answer.status, text, answer.reason or "")
        if not text:
            return {}
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise CatalogError(f"the catalog answered {method} {path} with something that is no JSON object")
        return content

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            # No proxy of the environment: it must not see the token of the platform's own catalog.
            self._opened = aiohttp.ClientSession(headers=self._headers, timeout=TIMEOUT, trust_env=False)
        return self._opened


def _refusal(status: int, text: str, reason: str) -> RefusedError:
    """Lakekeeper answers what it cannot parse with 422 in plain text, everything else as Iceberg's ErrorModel."""
    try:
        error = json.loads(text)["error"]
        type_, message = str(error.get("type", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        type_, message = "", text.strip()
    if status in (401, 403):
        message = f"the operator's token is not accepted ({message or 'ICEFIELD_CATALOG_ADMIN_TOKEN'})"
    return RefusedError(status, type_, message[:_MESSAGE_LIMIT] or reason)

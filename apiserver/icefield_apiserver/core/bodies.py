"""Bodies of requests: their longest length, their media type, and JSON."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.types import Receive, Scope

from .errors import TooLarge, UnsupportedMediaType
from .json_text import parse_json

KIB = 1024
MIB = 1024 * KIB
JSON_BYTES = MIB
"""Longest body of a route that declares nothing else."""
CREDENTIALS_BYTES = 16 * KIB
"""Longest body of a request that carries credentials, and so is read before its sender is known."""
OBJECT_BYTES = 4 * MIB
"""Longest body that describes an object in Kubernetes, which takes 1.5 MiB of it: as JSON with escapes it may have more
than twice the length."""


class BoundedRequest(Request):
    """A request whose body is read up to a limit. Whoever reads `stream` bounds that.

    Args:
        scope: the ASGI scope.
        receive: receives the body.
        max_body_bytes: longest body.
    """

    def __init__(self, scope: Scope, receive: Receive, max_body_bytes: int) -> None:
        super().__init__(scope, receive)
        self._max_body_bytes = max_body_bytes

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: it is longer than the limit; the rest of it is not read.
        """
        if not hasattr(self, "_body"):
            self._check(int(self.headers.get("content-length") or 0))
            chunks: list[bytes] = []
            total = 0
            async for chunk in self.stream():
                total += len(chunk)
                self._check(total)
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Return the body, parsed as JSON.

        Raises:
            TooLarge: it is longer than the limit.
            BadRequest: it is not valid JSON.
        """
        if not hasattr(self, "_json"):
            self._json = await parse_json(await self.body())
        return self._json

    async def check_is_json(self) -> None:
        """Check that the body, if there is one, is sent as JSON (RFC 9110, 15.5.16).

        Raises:
            TooLarge: it is longer than the limit.
            UnsupportedMediaType: its media type is another one, or is not named.
        """
        if await self.body() and not is_json(self.headers.get("content-type", "")):
            raise UnsupportedMediaType("Send the body as JSON, with the header `Content-Type: application/json`.")

    def _check(self, length: int) -> None:
        if length > self._max_body_bytes:
            raise TooLarge(f"The body is longer than {self._max_body_bytes} bytes.")


def is_json(content_type: str) -> bool:
    """Return whether a Content-Type names JSON: application/json, or a type that is built on it (RFC 6839, 3.1)."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))

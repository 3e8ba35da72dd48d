"""Bodies of requests: their longest length, their media type, and JSON, which is parsed beside the event loop."""

from __future__ import annotations

import asyncio
import json
import math
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # what json takes without its C part
from typing import Any, NoReturn

from fastapi import Request
from starlette.types import Receive, Scope

from .errors import BadRequest, TooLarge, UnsupportedMediaType

KIB = 1024
MIB = 1024 * KIB
JSON_BYTES = MIB
"""Longest body of a route that declares nothing else."""
CREDENTIALS_BYTES = 16 * KIB
"""Longest body of a request that carries credentials, and so is read before its sender is known."""
OBJECT_BYTES = 4 * MIB
"""Longest body that describes an object in Kubernetes, which takes 1.5 MiB of it: as JSON with escapes it may have more
than twice the length."""
_IN_THREAD_BYTES = 256 * KIB
"""Longer JSON is parsed in a thread: that takes milliseconds, or seconds where it has millions of values."""


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


async def parse_json(body: bytes) -> Any:
    """Return what a body says in JSON (RFC 8259), without NaN and infinities.

    Raises:
        BadRequest: it is not valid JSON, or has a number beyond what can be computed with.
    """
    if len(body) <= _IN_THREAD_BYTES:
        return _parse(body, json.JSONDecoder)
    return await asyncio.to_thread(_parse, body, _YieldingDecoder)


class _YieldingDecoder(json.JSONDecoder):
    """Parses in Python, so that other threads get turns: the parser in C holds the interpreter's lock to its end."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.scan_once = py_make_scanner(self)


def _parse(body: bytes, decoder: type[json.JSONDecoder]) -> Any:
    try:
        return json.loads(body, cls=decoder, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error.msg} (at character {error.pos}).") from error
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not valid JSON: it is not in UTF-8.") from error
    except RecursionError as error:
        raise BadRequest("The body's JSON is nested too deeply.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"The body is not valid JSON: {name} is not a number in JSON; send null, or a string.")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise BadRequest("The body has a number beyond the range of a double; send it as a string.")
    return number


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadRequest("The body has an integer of too many digits; send it as a string.") from error

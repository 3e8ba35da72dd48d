"""Middleware of every request: an id, metrics, a response for uncaught exceptions, and which connections end.

Plain ASGI, because Starlette's BaseHTTPMiddleware would buffer the stream to a client that follows a log.
"""

from __future__ import annotations

import logging
import time
import uuid

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from . import metrics
from .errors import error_response
from .settings import Networks
from .shutdown import Shutdown

log = logging.getLogger(__name__)

MAX_SKIPPED_BYTES = 64 * 1024
"""Longest body that is received though the response did not need it, so that the connection can be used again."""


def install_middleware(app: FastAPI, trusted_proxies: Networks, shutdown: Shutdown) -> None:
    """Install the middleware of every request.

    Args:
        app: the application.
        trusted_proxies: networks whose X-Forwarded-For is believed. A request comes from the right-most address in it
            that is in none of these networks: those left of it may be written by anybody.
        shutdown: tells whether the server drains.
    """
    app.add_middleware(RequestMiddleware, shutdown=shutdown)
    if trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in trusted_proxies])


class RequestMiddleware:
    """Assigns an id to each request, records metrics, and responds 500 to uncaught exceptions.

    A response ends its connection while the server drains, and when much of the request's body was not read.

    Args:
        app: the application.
        shutdown: tells whether the server drains.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0
        is_read = _is_short(scope)

        async def receive_noting_the_end() -> Message:
            nonlocal is_read
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                is_read = True
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if self._shutdown.is_draining or not is_read:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive_noting_the_end, send_with_id)
        except Exception:
            log.exception("request %s (%s %s) failed", request_id, scope["method"], scope["path"])
            if status:
                raise  # the response has started; aborting it is the only way to report the error
            answer = error_response(
                500, f"Internal error; the server's log has the details under request {request_id}."
            )
            await answer(scope, receive, send_with_id)
        finally:
            metrics.observe(scope, status, time.perf_counter() - started)


def _is_short(scope: Scope) -> bool:
    """Return whether a request has no body, or one that may be received in vain."""
    headers = Headers(scope=scope)
    return "transfer-encoding" not in headers and int(headers.get("content-length") or 0) <= MAX_SKIPPED_BYTES

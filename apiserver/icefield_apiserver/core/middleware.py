"""Middleware of every request: an id, a limit on the body, metrics, a response for uncaught exceptions, draining.

Plain ASGI, because Starlette's BaseHTTPMiddleware would buffer the stream to a client that follows a log.
"""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import metrics
from .errors import BadRequest, error_response
from .shutdown import Shutdown

log = logging.getLogger(__name__)


class RequestMiddleware:
    """Assigns an id to each request, records metrics, limits the body, and responds 500 to uncaught exceptions.

    Args:
        app: the application.
        max_body_bytes: longest body that is read; a longer one is answered 400.
        streamed: paths (a regular expression of whole paths) whose POST is read as it comes, and bounded there.
        shutdown: while it drains, each response ends its connection.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, streamed: str, shutdown: Shutdown) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._streamed = re.compile(streamed)
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if self._shutdown.is_draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            is_streamed = scope["method"] == "POST" and self._streamed.fullmatch(scope["path"])
            await self._app(scope, receive if is_streamed else self._bounded(receive), send_with_id)
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

    def _bounded(self, receive: Receive) -> Receive:
        total = 0

        async def bounded() -> Message:
            nonlocal total
            message = await receive()
            if message["type"] == "http.request":
                total += len(message.get("body", b""))
                if total > self._max_body_bytes:
                    raise BadRequest(f"The body is longer than {self._max_body_bytes} bytes.")
            return message

        return bounded

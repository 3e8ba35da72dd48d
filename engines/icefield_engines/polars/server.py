"""The sandbox's HTTP server: workload in, outcome out.

    GET /readyz                200 once the worker can begin at once, else 503; the only call without a token
    PUT /workload              202; the same id again is the same call again; 409 when there is another
    GET /outcome?wait=SECONDS  200 with the outcome once there is one, else 202 with its state
    POST /acknowledge          204: the outcome was recorded, and the sandbox ends; 409 when there is none

The standard library's server, as this process must stay small: one runs in each warm sandbox.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from icefield_crds.wire.workload import Workload

from .outcome import encoded
from .sandbox_state import OtherWorkloadError, SandboxState
from .settings import Settings

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_CONNECTIONS = 32
MAX_WAIT_SECONDS = 60.0
IDLE_SECONDS = 75.0
"""How long a connection may be idle."""


class Server(ThreadingHTTPServer):
    """One thread for each connection, up to a limit."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, settings: Settings, state: SandboxState) -> None:
        """Bind; call `start` to serve."""
        self.state = state
        self.token_sha256 = settings.token_sha256.lower()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((settings.host, settings.port), Handler)

    def start(self) -> None:
        """Serve in the background for as long as the process lives."""
        threading.Thread(target=self.serve_forever, args=(0.5,), daemon=True, name="http").start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, or close it at once when there are too many."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # out of threads: the workload uses them all
            self._slots.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that disconnected."""


class Handler(BaseHTTPRequestHandler):
    """Answers on one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "icefield-sandbox"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer readiness and outcome."""
        url = urlsplit(self.path)
        if url.path == "/readyz":
            ready = self.server.state.is_ready
            self._answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": ready})
        elif url.path == "/outcome":
            if self._is_allowed():
                self._outcome(url.query)
        else:
            self._not_found()

    def do_PUT(self) -> None:
        """Accept the workload."""
        if self.path != "/workload":
            self._not_found()
        elif self._is_allowed() and (body := self._body()) is not None:
            self._workload(body)

    def do_POST(self) -> None:
        """Accept the acknowledgement."""
        if self.path != "/acknowledge":
            self._not_found()
        elif self._is_allowed() and self._body() is not None:
            if self.server.state.acknowledge():
                self._answer(HTTPStatus.NO_CONTENT, None)
            else:
                self._refuse(HTTPStatus.CONFLICT, "There is no outcome yet.")

    def _workload(self, body: bytes) -> None:
        try:
            workload = Workload.from_json(json.loads(body))
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"Invalid workload: {error}.")
            return
        try:
            self.server.state.put(workload, body)
        except OtherWorkloadError as other:
            self._refuse(HTTPStatus.CONFLICT, f"This sandbox has the workload {other}.")
            return
        outcome = self.server.state.outcome(0)
        self._answer(HTTPStatus.ACCEPTED, {"state": outcome.state if outcome else "running"})

    def _outcome(self, query: str) -> None:
        try:
            wait = float(parse_qs(query).get("wait", ["0"])[0])
        except ValueError:
            wait = -1.0
        if not 0 <= wait <= MAX_WAIT_SECONDS:
            self._refuse(HTTPStatus.BAD_REQUEST, f"wait must be between 0 and {MAX_WAIT_SECONDS:g} seconds.")
            return
        if outcome := self.server.state.outcome(wait):
            self._send(HTTPStatus.OK, encoded(outcome))
        else:
            self._answer(HTTPStatus.ACCEPTED, {"state": "running" if self.server.state.workload else "waiting"})

    def _is_allowed(self) -> bool:
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        if scheme.lower() == "bearer" and hmac.compare_digest(digest, self.server.token_sha256):
            return True
        self._refuse(HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.")
        return False

    def _body(self) -> bytes | None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if "Transfer-Encoding" in self.headers or not 0 <= length <= MAX_BODY_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, f"The body must have a length of at most {MAX_BODY_BYTES} bytes.")
            return None
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def _not_found(self) -> None:
        self._refuse(HTTPStatus.NOT_FOUND, "Not found.")

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        self.close_connection = True  # the body may be unread
        self._answer(status, {"error": error})

    def _answer(self, status: HTTPStatus, content: object) -> None:
        self._send(status, b"" if content is None else json.dumps(content).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not HTTP with the standard library's message."""
        self.close_connection = True
        self._send(code, json.dumps({"error": message or "Invalid request."}).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Log nothing: the output is the workload's."""

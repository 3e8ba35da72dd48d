"""The stand-in as an HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from openapi_core.contrib.aiohttp import AIOHTTPOpenAPIWebRequest, AIOHTTPOpenAPIWebResponse

from . import documents
from .state import Json, Probe, Refusal, State

Answer = Callable[["Call"], Awaitable[web.Response]]


@dataclass
class Call:
    """One request that is as the documents say."""

    state: State
    method: str
    path: str
    body: Any
    usual: Callable[[], web.Response]
    """Answers as usual."""


class StandIn:
    """A Lakekeeper on the loopback device."""

    def __init__(self, probe: Probe = lambda profile, credential: None, token: str = "") -> None:
        """Make one that is not bootstrapped.

        Args:
            probe: tries out storage before a warehouse is made or changed.
            token: bearer token to ask for; none when empty, as with AllowAll and no authentication.
        """
        self.state = State(probe)
        self.violations: list[str] = []
        """What was asked, or answered, against the documents."""
        self.requests: list[tuple[str, str]] = []
        self.is_away = False
        """Whether its database is."""
        self._token = token
        self._faults: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self._port = 0

    @property
    def management_uri(self) -> str:
        """Base of the management API."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def uri(self) -> str:
        """Base of the Iceberg REST protocol."""
        return f"{self.management_uri}/catalog"

    def once(self, method: str, path: str, answer: Answer) -> None:
        """Have the next such request answered by this instead."""
        self._faults[method, path].append(answer)

    def count(self, method: str, path: str) -> int:
        """Return how many such requests came."""
        return self.requests.count((method, path))

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        """Serve on a free port for as long as the context lasts."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), loop).result(60)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _start(self) -> web.AppRunner:
        application = web.Application()
        warehouse = "/management/v1/warehouse"
        namespaces = "/catalog/v1/{prefix}/namespaces"
        routes: list[tuple[str, str, Callable[[web.Request, Any], Json | None], int]] = [
            ("GET", "/management/v1/info", lambda request, body: self.state.info(), 200),
            ("POST", "/management/v1/bootstrap", lambda request, body: self.state.bootstrap(), 204),
            ("GET", warehouse, lambda request, body: self.state.list(), 200),
            ("POST", warehouse, lambda request, body: self.state.create(body), 201),
            ("DELETE", f"{warehouse}/{{warehouse_id}}", lambda request, body: self.state.delete(_id(request)), 204),
            (
                "POST",
                f"{warehouse}/{{warehouse_id}}/storage",
                lambda request, body: self.state.update_storage(_id(request), body),
                200,
            ),
            ("GET", namespaces, lambda request, body: self.state.namespaces(_id(request)), 200),
            ("DELETE", f"{namespaces}/{{namespace}}", lambda request, body: self._drop(request), 204),
        ]
        for method, path, usual, status in routes:
            application.router.add_route(method, path, self._handler(path, usual, status))
        application.router.add_route("*", "/{path:.*}", self._unknown)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        return runner

    def _handler(
        self, path: str, usual: Callable[[web.Request, Any], Json | None], status: int
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        is_catalog = path.startswith("/catalog")
        document = (documents.catalog if is_catalog else documents.management)(bool(self._token))
        template = path.removeprefix("/catalog")

        async def handle(request: web.Request) -> web.Response:
            self.requests.append((request.method, request.path))
            if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
                return _error(Refusal(401, "Unauthorized", "Unauthorized"))
            text = await request.text()
            seen = AIOHTTPOpenAPIWebRequest(request, body=text.encode() or None)
            body = json.loads(text) if text else None
            if complaint := document.complaint_of_request(seen, template, body):
                self.violations.append(f"{request.method} {request.path}: {complaint}")
                # What it cannot parse is reported in plain text.
                return web.Response(status=422, text=f"Failed to deserialize the JSON body: {complaint}")
            answer = await self._answer(request, body, lambda: _answered(lambda: usual(request, body), status))
            if complaint := document.complaint_of_response(seen, AIOHTTPOpenAPIWebResponse(answer)):
                self.violations.append(f"answer {answer.status} to {request.method} {request.path}: {complaint}")
            return answer

        return handle

    async def _answer(self, request: web.Request, body: Any, usual: Callable[[], web.Response]) -> web.Response:
        if self.is_away:
            return _error(Refusal(500, "DatabaseError", "Error communicating with the database"))
        if faults := self._faults.get((request.method, request.path)):
            return await faults.pop(0)(Call(self.state, request.method, request.path, body, usual))
        return usual()

    async def _unknown(self, request: web.Request) -> web.Response:
        self.violations.append(f"{request.method} {request.path}: no such operation")
        return web.Response(status=404)

    def _drop(self, request: web.Request) -> None:
        flags = {key: value == "true" for key, value in request.query.items()}
        self.state.drop_namespace(_id(request), tuple(request.match_info["namespace"].split("\x1f")), flags)


def refused(status: int, type_: str, message: str = "") -> Answer:
    """Return an answer that refuses and changes nothing."""

    async def answer(call: Call) -> web.Response:
        return _error(Refusal(status, type_, message or type_))

    return answer


def done_and_refused(status: int, type_: str) -> Answer:
    """Return an answer that does what was asked and refuses: somebody else was first, with the same."""

    async def answer(call: Call) -> web.Response:
        call.usual()
        return _error(Refusal(status, type_, type_))

    return answer


def done_and_cut_off() -> Answer:
    """Return an answer that does what was asked, and that never arrives."""

    async def answer(call: Call) -> web.Response:
        call.usual()
        return web.Response(status=502, text="Bad Gateway")

    return answer


def _answered(usual: Callable[[], Json | None], status: int) -> web.Response:
    try:
        content = usual()
    except Refusal as refusal:
        return _error(refusal)
    return web.Response(status=status) if content is None else web.json_response(content, status=status)


def _error(refusal: Refusal) -> web.Response:
    error = {"message": refusal.message, "type": refusal.type, "code": refusal.status, "stack": []}
    return web.json_response({"error": error}, status=refusal.status)


def _id(request: web.Request) -> str:
    return request.match_info.get("warehouse_id") or request.match_info["prefix"]

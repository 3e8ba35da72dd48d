"""The gateway's HTTP interface: who may call, and how requests and answers look."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from pydantic import ValidationError

from .engine import Engine
from .protocol import MAX_SQL_LENGTH, MAX_WAIT, STATEMENT_ID, EngineName, StatementRequest, first_problem
from .registry import RefusedError, Registry
from .statement import Statement

_OPEN_PATHS = frozenset({"/livez", "/readyz"})
_ID = re.compile(STATEMENT_ID)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """Answers calls about the statements of one warehouse."""

    def __init__(self, registry: Registry, engines: dict[EngineName, Engine], token: str, results: str) -> None:
        """Answer for these statements and engines.

        Args:
            registry: the statements.
            engines: what runs them; what is not in it does not exist here.
            token: the bearer token that callers show.
            results: the prefix of keys under which results may be stored, with a slash at its end.
        """
        self._registry = registry
        self._engines = engines
        self._authorization = f"Bearer {token}".encode()
        self._results = results

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[self._authorize, _errors_as_json], client_max_size=2 * MAX_SQL_LENGTH)
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/status", self._status),
                web.put("/statements/{id}", self._put),
                web.get("/statements/{id}", self._get),
                web.post("/statements/{id}/cancel", self._cancel),
            ]
        )
        return app

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN_PATHS:
            shown = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(shown, self._authorization):
                return _error(401, "The gateway asks for its bearer token.")
        return await handler(request)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._registry.is_draining:
            return web.Response(text="shutting down", status=503)
        return web.Response(text="ok")

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(
            {name.value: name in self._engines and self._engines[name].is_ready for name in EngineName}
            | {
                "running": self._registry.running,
                "last_activity": self._registry.last_activity.isoformat(),
                "draining": self._registry.is_draining,
            }
        )

    async def _put(self, request: web.Request) -> web.Response:
        statement_id, wait = _statement_id(request), _wait(request)
        try:
            asked = StatementRequest.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=first_problem(error.errors())) from None
        if asked.result_key and not self._is_result_key(asked.result_key):
            raise web.HTTPBadRequest(text=f"result_key: it begins with {self._results}")
        try:
            statement = self._registry.begin(statement_id, asked)
        except RefusedError as error:
            return _error(503, str(error))
        return await _answer(statement, wait)

    async def _get(self, request: web.Request) -> web.Response:
        return await _answer(self._known(request), _wait(request))

    async def _cancel(self, request: web.Request) -> web.Response:
        statement = self._known(request)
        statement.cancel()
        return await _answer(statement, _wait(request))

    def _known(self, request: web.Request) -> Statement:
        statement = self._registry.find(_statement_id(request))
        if statement is None:
            raise web.HTTPNotFound(text="This gateway does not know the statement.")
        return statement

    def _is_result_key(self, key: str) -> bool:
        return key.startswith(self._results) and ".." not in key.split("/")


async def _answer(statement: Statement, wait: float) -> web.Response:
    """Return how a statement stands, after waiting so many seconds for its end."""
    if wait and not statement.phase.is_final:
        with suppress(TimeoutError):
            await asyncio.wait_for(statement.ended.wait(), wait)
    return web.json_response(statement.state(), status=200 if statement.phase.is_final else 202)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _statement_id(request: web.Request) -> str:
    statement_id = request.match_info["id"]
    if not _ID.fullmatch(statement_id):
        raise web.HTTPBadRequest(text="id: up to 100 letters, digits, dashes and underscores")
    return statement_id


def _wait(request: web.Request) -> float:
    try:
        wait = float(request.query.get("wait", "0"))
    except ValueError:
        wait = -1.0
    if not 0 <= wait <= MAX_WAIT:
        raise web.HTTPBadRequest(text=f"wait: seconds, from 0 to {MAX_WAIT:g}")
    return wait

"""The gateway's HTTP interface: who may call, and how requests and answers look."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from icefield_crds.wire.gateway import (
    MAX_BODY,
    MAX_WAIT_SECONDS,
    STATEMENT_ID,
    EngineName,
    GatewayStatus,
    StatementRequest,
)

from .engine import Engine
from .errors import EngineError
from .registry import RefusedError, Registry
from .statement import Statement

LONG_BODY = 128 * 1024
"""Bytes: a longer one is parsed in a thread."""
_OPEN_PATHS = frozenset({"/livez", "/readyz"})
_ID = re.compile(STATEMENT_ID)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """Answers calls about the statements of one warehouse."""

    def __init__(
        self,
        registry: Registry,
        engines: dict[EngineName, Engine],
        store: Callable[[Statement], Awaitable[None]],
        token: str,
        results: str,
    ) -> None:
        """Answer for these statements and engines.

        Args:
            registry: the statements.
            engines: what runs them; an engine that is missing is not available here.
            store: stores the result of a statement, unless that is done.
            token: the bearer token of callers.
            results: the prefix of keys under which results may be stored, with a slash at its end.
        """
        self._registry = registry
        self._engines = engines
        self._store = store
        self._authorization = f"Bearer {token}".encode()
        self._results = results

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[self._authorize, _errors_as_json], client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/status", self._status),
                web.post("/drain", self._drain),
                web.put("/statements/{id}", self._put),
                web.get("/statements/{id}", self._get),
                web.post("/statements/{id}/cancel", self._cancel),
            ]
        )
        return app

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN_PATHS:
            authorization = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(authorization, self._authorization):
                return _error(401, "The bearer token is missing or wrong.")
        return await handler(request)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._registry.is_draining:
            return web.Response(text="draining", status=503)
        return web.Response(text="ok")

    async def _status(self, _: web.Request) -> web.Response:
        status = GatewayStatus(
            duckdb=self._is_ready(EngineName.DUCKDB),
            spark=self._is_ready(EngineName.SPARK),
            running=self._registry.running,
            last_activity=self._registry.last_activity,
            draining=self._registry.is_draining,
        )
        return web.json_response(status.to_json())

    async def _drain(self, request: web.Request) -> web.Response:
        self._registry.refuse_new()
        return await self._status(request)

    async def _put(self, request: web.Request) -> web.Response:
        statement_id, wait = _statement_id(request), _wait(request)
        try:
            body = await request.read()
            parsed = await asyncio.to_thread(_parse, body) if len(body) > LONG_BODY else _parse(body)
        except (ValueError, RecursionError) as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        if parsed.result_key and not self._is_result_key(parsed.result_key):
            raise web.HTTPBadRequest(text=f"result_key must begin with {self._results}")
        try:
            statement = self._registry.start(statement_id, parsed)
        except RefusedError as error:
            return _error(503, str(error))
        await _wait_for_end(statement, wait)
        if not parsed.content_bytes:
            await self._store(statement)
        return _answer(statement)

    async def _get(self, request: web.Request) -> web.Response:
        return await self._follow(self._known(request), request)

    async def _cancel(self, request: web.Request) -> web.Response:
        statement = self._known(request)
        statement.cancel()
        return await self._follow(statement, request)

    async def _follow(self, statement: Statement, request: web.Request) -> web.Response:
        await _wait_for_end(statement, _wait(request))
        if "keeps_content" not in request.query:
            await self._store(statement)
        return _answer(statement)

    def _is_ready(self, name: EngineName) -> bool:
        return name in self._engines and self._engines[name].is_ready

    def _known(self, request: web.Request) -> Statement:
        statement = self._registry.find(_statement_id(request))
        if statement is None:
            raise web.HTTPNotFound(text="Unknown statement.")
        return statement

    def _is_result_key(self, key: str) -> bool:
        return key.startswith(self._results) and ".." not in key.split("/")


def _parse(body: bytes) -> StatementRequest:
    return StatementRequest.from_json(json.loads(body))


async def _wait_for_end(statement: Statement, wait: float) -> None:
    """Wait up to `wait` seconds for a statement's end."""
    if wait and not statement.phase.is_final:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await statement.ended.wait()


def _answer(statement: Statement) -> web.Response:
    return web.json_response(statement.state().to_json(), status=200 if statement.phase.is_final else 202)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)
    except EngineError as error:  # the result of a statement that succeeded could not be stored
        return _error(503, error.message)


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
    if not 0 <= wait <= MAX_WAIT_SECONDS:
        raise web.HTTPBadRequest(text=f"wait: seconds, from 0 to {MAX_WAIT_SECONDS:g}")
    return wait

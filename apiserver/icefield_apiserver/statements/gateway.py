"""The gateways of warehouses, called over HTTP (engines/icefield_engines/warehouse serves it).

A statement is put under an id: putting it again only waits for it. What matters most of a failed call is whether the
statement may have begun, so the exceptions say that.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson

from icefield_apiserver.kube.secrets import WorkspaceSecrets

MAX_WAIT_SECONDS = 60.0
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 15.0
"""Longest time that an answer may take beyond the time it was asked to wait."""
KEEP_ALIVE_SECONDS = 15.0
"""Less than the gateway keeps an idle connection, so that no call meets a closing one."""
MAX_CONNECTIONS = 1024
"""A call that waits for its statement holds a connection."""

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


class GatewayRefusalError(Exception):
    """Nothing was started: the gateway cannot be reached, is draining, or has too much to do."""


class GatewaySilenceError(Exception):
    """No answer came, or no sensible one: the statement may have begun."""


class UnknownStatementError(Exception):
    """The gateway has never seen the statement: its pod was replaced, or its process began anew."""


@dataclass(frozen=True)
class GatewayStatement:
    """What a gateway is asked to run.

    Attributes:
        sql: in the engine's own dialect.
        result_key: key of the object that gets the result; None to keep none.
        inline_rows: how many rows the answer itself may carry.
        inline_bytes: how long they may be, as Arrow.
    """

    engine: str
    sql: str
    is_write: bool
    result_key: str | None
    row_limit: int | None
    inline_rows: int
    inline_bytes: int
    timeout_seconds: int | None

    def body(self) -> bytes:
        """Return the request's body."""
        return orjson.dumps(self.__dict__)


@dataclass(frozen=True)
class GatewayState:
    """How a statement stands at its gateway.

    Attributes:
        status: pending, running, succeeded, failed or cancelled.
        schema: [{"name", "type"}]; None when there is no result.
        inline: an Arrow IPC stream with the first rows.
        result: {"key", "bytes", "schema_bytes", "batches": [[rows, offset, length]]}.
    """

    status: str
    engine: str | None
    error_code: str | None
    error_message: str | None
    schema: list[dict[str, str]] | None
    rows_produced: int | None
    truncated: bool
    duration_ms: float | None
    inline: bytes | None
    result: dict[str, Any] | None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing about it changes any more."""
        return self.status in TERMINAL

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> GatewayState:
        """Return the state in an answer."""
        error: Mapping[str, Any] = answer.get("error") or {}
        inline = answer.get("inline")
        return cls(
            status=answer["status"],
            engine=answer.get("engine"),
            error_code=error.get("code"),
            error_message=error.get("message"),
            schema=answer.get("schema"),
            rows_produced=answer.get("rows_produced"),
            truncated=bool(answer.get("truncated")),
            duration_ms=answer.get("duration_ms"),
            inline=base64.b64decode(inline) if inline else None,
            result=answer.get("result"),
        )


class Gateways:
    """Calls the gateways of warehouses.

    Args:
        secrets: where the workspaces' bearer tokens are.
        pooled: connections that are used again.
        single: connections that are not: one that the other side just closed would leave open whether a write began.
    """

    def __init__(self, secrets: WorkspaceSecrets, pooled: aiohttp.ClientSession, single: aiohttp.ClientSession) -> None:
        self._secrets = secrets
        self._pooled = pooled
        self._single = single

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Give the gateways for as long as the context lasts; nothing is asked of one yet."""
        jar = aiohttp.DummyCookieJar()
        kept = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
        fresh = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True)
        async with (
            aiohttp.ClientSession(connector=kept, cookie_jar=jar) as pooled,
            aiohttp.ClientSession(connector=fresh, cookie_jar=jar) as single,
        ):
            yield cls(secrets, pooled, single)

    async def put(
        self, workspace: str, endpoint: str, statement_id: str, statement: GatewayStatement, wait: float
    ) -> GatewayState:
        """Start a statement, unless its id is known there, and wait for its end for up to `wait` seconds.

        Raises:
            GatewayRefusalError: nothing was started.
            GatewaySilenceError: it may have begun.
        """
        session = self._single if statement.is_write else self._pooled
        return await self._call(
            session, "PUT", workspace, f"{endpoint}/statements/{statement_id}", wait, statement.body()
        )

    async def get(self, workspace: str, endpoint: str, statement_id: str, wait: float) -> GatewayState:
        """Return how a statement stands, having waited for its end for up to `wait` seconds.

        Raises:
            UnknownStatementError: it was never seen there.
            GatewayRefusalError, GatewaySilenceError: no sensible answer came.
        """
        return await self._call(self._pooled, "GET", workspace, f"{endpoint}/statements/{statement_id}", wait)

    async def cancel(self, workspace: str, endpoint: str, statement_id: str) -> GatewayState:
        """Stop the engine that runs a statement, and return how the statement stands.

        Raises:
            UnknownStatementError: it was never seen there.
            GatewayRefusalError, GatewaySilenceError: no sensible answer came.
        """
        return await self._call(self._pooled, "POST", workspace, f"{endpoint}/statements/{statement_id}/cancel", 0.0)

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        workspace: str,
        url: str,
        wait: float,
        body: bytes | None = None,
    ) -> GatewayState:
        status, answer = await self._once(session, method, workspace, url, wait, body)
        if status == 401:  # the token may have been made anew
            self._secrets.forget(workspace)
            status, answer = await self._once(session, method, workspace, url, wait, body)
        if status in (200, 202):
            try:
                return GatewayState.of(orjson.loads(answer))
            except (ValueError, KeyError, TypeError) as error:
                raise GatewaySilenceError(f"the warehouse answered something else than a statement: {error}") from error
        if status == 404:
            raise UnknownStatementError
        if status in (401, 429, 503):
            raise GatewayRefusalError(_error_of(answer) or f"the warehouse answered {status}")
        raise GatewaySilenceError(_error_of(answer) or f"the warehouse answered {status}")

    async def _once(
        self,
        session: aiohttp.ClientSession,
        method: str,
        workspace: str,
        url: str,
        wait: float,
        body: bytes | None,
    ) -> tuple[int, bytes]:
        token = await self._secrets.warehouse_token(workspace)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=wait + ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        params = {"wait": f"{wait:g}"} if wait else None
        try:
            async with session.request(
                method, url, params=params, data=body, headers=headers, timeout=timeout
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise GatewayRefusalError("the warehouse cannot be reached") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewaySilenceError(f"the connection to the warehouse broke: {type(error).__name__}") from error


def _error_of(answer: bytes) -> str | None:
    try:
        said = orjson.loads(answer)
    except ValueError:
        return None
    error = said.get("error") if isinstance(said, dict) else None
    return str(error) if error else None

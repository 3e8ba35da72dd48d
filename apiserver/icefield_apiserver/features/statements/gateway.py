"""The gateways of warehouses, called over HTTP (engines/icefield_engines/warehouse serves it).

A statement is put under an id: putting it again only waits for it. What matters most about a failed call is whether the
statement may have started, so the exceptions tell these cases apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
import orjson

from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_crds.wire.gateway import StatementRequest, StatementState
from icefield_kube.bodies import BodyTooLongError, read_body

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 15.0
"""Longest time that an answer may take beyond the time it was asked to wait."""
KEEP_ALIVE_SECONDS = 15.0
"""Less than the gateway keeps an idle connection, so that no call meets a closing one."""
MAX_CONNECTIONS = 1024
"""A call that waits for its statement holds a connection."""
LONG_SQL = 256 * 1024
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer: its first rows and a short result in base64, and the index of a result of any size."""


class GatewayRefusalError(Exception):
    """Nothing was started: the gateway cannot be reached, is draining, or has too much to do."""


class GatewaySilenceError(Exception):
    """No answer came, or no sensible one: the statement may have started."""


class UnknownStatementError(Exception):
    """The gateway has never seen the statement: its pod was replaced, or its process restarted."""


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
        """Provide the gateways for as long as the context lasts; none is called yet."""
        jar = aiohttp.DummyCookieJar()
        kept = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
        fresh = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True)
        async with (
            aiohttp.ClientSession(connector=kept, cookie_jar=jar) as pooled,
            aiohttp.ClientSession(connector=fresh, cookie_jar=jar) as single,
        ):
            yield cls(secrets, pooled, single)

    async def put(
        self, workspace: str, endpoint: str, statement_id: str, statement: StatementRequest, wait: float
    ) -> StatementState:
        """Start a statement, unless its id is known there, and wait for its end for up to `wait` seconds.

        Raises:
            GatewayRefusalError: nothing was started.
            GatewaySilenceError: it may have started.
        """
        session = self._single if statement.is_write else self._pooled
        document = statement.to_json()
        # In a thread where it takes milliseconds.
        is_long = bool(statement.literals) or len(statement.sql) > LONG_SQL
        body = await asyncio.to_thread(orjson.dumps, document) if is_long else orjson.dumps(document)
        return await self._call(session, "PUT", workspace, f"{endpoint}/statements/{statement_id}", wait, body)

    async def get(self, workspace: str, endpoint: str, statement_id: str, wait: float) -> StatementState:
        """Return the state of a statement, having waited for its end for up to `wait` seconds.

        Raises:
            UnknownStatementError: it was never seen there.
            GatewayRefusalError, GatewaySilenceError: no sensible answer came.
        """
        return await self._call(self._pooled, "GET", workspace, f"{endpoint}/statements/{statement_id}", wait)

    async def cancel(self, workspace: str, endpoint: str, statement_id: str) -> StatementState:
        """Stop the engine that runs a statement, and return the state of the statement.

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
    ) -> StatementState:
        status, answer = await self._once(session, method, workspace, url, wait, body)
        if status == 401:  # the token may have been replaced
            self._secrets.forget(workspace)
            status, answer = await self._once(session, method, workspace, url, wait, body)
        if status in (200, 202):
            try:
                return StatementState.from_json(orjson.loads(answer))
            except (ValueError, TypeError) as error:
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
        params = {"wait": f"{wait:g}"} if wait else {}
        if body is None:
            params["keeps_content"] = "1"  # a PUT says so in its body
        try:
            async with session.request(
                method, url, params=params, data=body, headers=headers, timeout=timeout
            ) as response:
                return response.status, await read_body(response, LONGEST_ANSWER)
        except BodyTooLongError as error:
            raise GatewaySilenceError(f"the warehouse's answer cannot be read: {error}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise GatewayRefusalError("the warehouse cannot be reached") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewaySilenceError(f"the connection to the warehouse broke: {type(error).__name__}") from error


def _error_of(answer: bytes) -> str | None:
    try:
        fields = orjson.loads(answer)
    except ValueError:
        return None
    error = fields.get("error") if isinstance(fields, dict) else None
    return str(error) if error else None

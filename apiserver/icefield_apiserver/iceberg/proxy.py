"""Passes calls of the Iceberg REST protocol on to the workspace's catalog."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from fastapi import Response
from fastapi.responses import StreamingResponse

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.catalog.transport import read_whole
from icefield_apiserver.errors import BadRequest, Forbidden
from icefield_apiserver.identity.principal import Principal

from .access import FileAccess, tag_of, with_access, with_tag, without_tag
from .errors import passed_on
from .naming import check_names
from .operations import Call, Effect
from .run_lineage import RunLineage

STREAMED_BYTES = 1024 * 1024
"""A longer answer, or one of unknown length, goes on as it comes."""
_PARSED_ASIDE_BYTES = 256 * 1024
_PASSED_HEADERS = ("accept", "content-type", "idempotency-key", "x-client-version")
_ANSWERED_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
_JSON = "application/json"


class Proxy:
    """Passes calls on, each inside the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        access: how callers reach the files of tables.
        lineage: where it is noted what runs read and write.
    """

    def __init__(self, catalogs: Catalogs, access: FileAccess, lineage: RunLineage) -> None:
        self._transport = catalogs.transport
        self._access = access
        self._lineage = lineage

    async def pass_on(
        self,
        principal: Principal,
        call: Call,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        catalog_names: Collection[str],
    ) -> Response:
        """Return the catalog's answer to a call.

        Args:
            principal: the caller.
            call: what is asked.
            path: path below the prefix, percent-encoded as it came.
            query: query string, percent-encoded as it came.
            headers: the request's headers.
            body: the request's body.
            catalog_names: what SQL calls the catalog, in lower case.

        Raises:
            BadRequest: a name is none, or the body is no JSON object where one is needed.
            Forbidden: the caller's role does not permit it.
            Unavailable: the catalog does not answer.
        """
        operation = call.operation
        if not principal.may(operation.role):
            raise Forbidden(f"This needs the role {operation.role.value}; yours is {principal.role.value}.")
        if operation.effect in (Effect.CREATES, Effect.COMMITS, Effect.NAMES):
            check_names(call, await _parsed(body), catalog_names)
        loads = operation.effect in (Effect.LOADS, Effect.CREATES)
        properties = await self._access.properties(principal) if loads else {}
        passed = _passed(headers, properties)
        async with AsyncExitStack() as stack:
            answer = await stack.enter_async_context(
                self._transport.stream(principal.workspace, operation.method, path, query, passed, body or None)
            )
            if answer.status >= 400 and operation.method != "HEAD":
                return passed_on(answer.status, await read_whole(answer))
            if properties:
                return await self._load_result(principal, call, answer, properties)
            if operation.effect is Effect.COMMITS:
                await self._lineage.committed(principal, call, await _parsed(body))
            if answer.content_length is None or answer.content_length > STREAMED_BYTES:
                return StreamingResponse(
                    _chunks(answer, stack.pop_all()), _status(answer), _headers(answer), answer.content_type
                )
            return Response(await read_whole(answer) or None, _status(answer), _headers(answer))

    async def _load_result(
        self, principal: Principal, call: Call, answer: aiohttp.ClientResponse, properties: dict[str, str]
    ) -> Response:
        headers = _headers(answer)
        if "ETag" in headers:
            headers["ETag"] = with_tag(headers["ETag"], tag_of(properties))
        if answer.status == 304:
            return Response(None, 304, headers)
        result = await _parsed(await read_whole(answer))
        if call.operation.effect is Effect.LOADS:
            await self._lineage.loaded(principal, call, result)
        return Response(json.dumps(with_access(result, properties)), answer.status, headers, _JSON)


async def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = await asyncio.to_thread(json.loads, body) if len(body) > _PARSED_ASIDE_BYTES else json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise BadRequest("The body is not a JSON object.")
    return parsed


def _passed(headers: Mapping[str, str], properties: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go on; a condition on what we add to an answer is ours to judge."""
    passed = {name: headers[name] for name in _PASSED_HEADERS if name in headers}
    condition: str | None = headers.get("if-none-match")
    if condition and properties:
        condition = without_tag(condition, tag_of(properties))
    return {**passed, "If-None-Match": condition} if condition else passed


async def _chunks(answer: aiohttp.ClientResponse, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in answer.content.iter_chunked(64 * 1024):
            yield chunk


def _status(answer: aiohttp.ClientResponse) -> int:
    return 503 if answer.status in (401, 403) else answer.status


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in _ANSWERED_HEADERS if name in answer.headers}

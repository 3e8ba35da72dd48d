"""Forwards calls of the Iceberg REST protocol to the workspace's catalog."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from fastapi import Response
from fastapi.responses import StreamingResponse

from icefield_apiserver.core.bodies import parse_json
from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.catalog.transport import read_whole
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.volumes.service import VolumeService
from icefield_apiserver.identity.principal import Principal

from .access import FileAccess, tag_of, with_access, with_tag, without_tag
from .contents import Contents
from .errors import forwarded_error
from .operations import CatalogCall, Effect, advertised
from .run_lineage import RunLineage

STREAMED_BYTES = 1024 * 1024
"""A longer response, or one of unknown length, is streamed."""
_PARSE_IN_THREAD_BYTES = 256 * 1024
_REQUEST_HEADERS = ("accept", "content-type", "idempotency-key", "x-client-version")
_RESPONSE_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
_JSON = "application/json"


class IcebergService:
    """Forwards calls to the catalog of the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        access: object store configuration of callers.
        lineage: records what runs read and write.
        volumes: the volumes, which a dropped database must not have.
    """

    def __init__(self, catalogs: Catalogs, access: FileAccess, lineage: RunLineage, volumes: VolumeService) -> None:
        self._catalogs = catalogs
        self._access = access
        self._lineage = lineage
        self._volumes = volumes

    async def configuration(self, workspace: str) -> dict[str, Any]:
        """Return the ConfigResponse of a workspace: the prefix of its paths, and the endpoints that are supported.

        Args:
            workspace: slug.

        Raises:
            Unavailable: the catalog is unreachable.
        """
        endpoints = advertised((await self._catalogs.of(workspace).config()).endpoints)
        config: dict[str, Any] = {"defaults": {}, "overrides": {"prefix": workspace}}
        return config if endpoints is None else {**config, "endpoints": endpoints}

    async def forward(
        self,
        principal: Principal,
        call: CatalogCall,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        catalog_names: Collection[str],
    ) -> Response:
        """Return the catalog's response to a call.

        Args:
            principal: the caller, whose role permits the operation.
            call: the call.
            path: path below the prefix, percent-encoded as received.
            query: query string, percent-encoded as received.
            headers: the request's headers.
            body: the request's body.
            catalog_names: the catalog's names in SQL, in lower case.

        Raises:
            BadRequest: a name, property, location or view is not allowed, or the body has not the protocol's shape.
            Conflict: it drops a database that has volumes.
            Unavailable: the catalog is unreachable.
        """
        operation = call.operation
        if operation.writes_contents:
            root = await self._access.root(principal.workspace)
            contents = Contents(principal.workspace, catalog_names, root)
            await asyncio.to_thread(contents.check, call, await _parsed(body))
        if operation.effect is Effect.DROPS:
            await self._volumes.refuse_to_drop(principal, call.namespace)
        loads = operation.effect in (Effect.LOADS, Effect.CREATES)
        properties = await self._access.properties(principal) if loads else {}
        forwarded = _request_headers(headers, properties)
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(
                self._catalogs.transport.stream(
                    principal.workspace, operation.method, path, query, forwarded, body or None
                )
            )
            if response.status >= 400 and operation.method != "HEAD":
                return forwarded_error(response.status, await read_whole(response))
            if properties:
                return await self._load_result(principal, call, response, properties)
            if operation.effect is Effect.COMMITS:
                await self._lineage.record_commit(principal, call, await _parsed(body))
            if response.content_length is None or response.content_length > STREAMED_BYTES:
                return StreamingResponse(
                    _chunks(response, stack.pop_all()),
                    _status(response),
                    _response_headers(response),
                    response.content_type,
                )
            return Response(await read_whole(response) or None, _status(response), _response_headers(response))

    async def _load_result(
        self, principal: Principal, call: CatalogCall, response: aiohttp.ClientResponse, properties: dict[str, str]
    ) -> Response:
        headers = _response_headers(response)
        if "ETag" in headers:
            headers["ETag"] = with_tag(headers["ETag"], tag_of(properties))
        if response.status == 304:
            return Response(None, 304, headers)
        result = await _parsed_response(await read_whole(response))
        if call.operation.effect is Effect.LOADS:
            await self._lineage.record_load(principal, call, result)
        return Response(json.dumps(with_access(result, properties)), response.status, headers, _JSON)


async def _parsed(body: bytes) -> dict[str, Any]:
    return _object(await parse_json(body))


async def _parsed_response(body: bytes) -> dict[str, Any]:
    try:
        parsed = await asyncio.to_thread(json.loads, body) if len(body) > _PARSE_IN_THREAD_BYTES else json.loads(body)
    except ValueError:
        parsed = None
    return _object(parsed)


def _object(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise BadRequest("The body is not a JSON object.")
    return parsed


def _request_headers(headers: Mapping[str, str], properties: Mapping[str, str]) -> dict[str, str]:
    """Return the headers to forward; If-None-Match is adapted to the properties that we add to the response."""
    forwarded = {name: headers[name] for name in _REQUEST_HEADERS if name in headers}
    condition: str | None = headers.get("if-none-match")
    if condition and properties:
        condition = without_tag(condition, tag_of(properties))
    return {**forwarded, "If-None-Match": condition} if condition else forwarded


async def _chunks(response: aiohttp.ClientResponse, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in response.content.iter_chunked(64 * 1024):
            yield chunk


def _status(response: aiohttp.ClientResponse) -> int:
    return 503 if response.status in (401, 403) else response.status


def _response_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}

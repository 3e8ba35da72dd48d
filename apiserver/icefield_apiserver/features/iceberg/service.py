"""Forwards calls of the Iceberg REST protocol to the workspace's catalog."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import aiohttp
from fastapi import Response
from fastapi.responses import StreamingResponse

from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.catalog.transport import read_whole
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.errors import BadRequest, NotFound, Unavailable
from icefield_apiserver.core.json_text import parse_answer, parse_json, write_answer, write_json
from icefield_apiserver.core.planning_threads import PlanningThreads
from icefield_apiserver.features.volumes.service import VolumeService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege, Role

from .access import Access, FileAccess, with_access, with_tag, without_tag
from .contents import Contents
from .errors import forwarded_error
from .metadata_files import MetadataFiles
from .operations import LOAD_CREDENTIALS, REGISTER, CatalogCall, Effect, advertised, credentials_path, table_path
from .privileges import check_call, list_field, seen
from .run_lineage import RunLineage

STREAMED_BYTES = 1024 * 1024
"""A longer response, or one of unknown length, is streamed."""
_REQUEST_HEADERS = ("accept", "content-type", "idempotency-key", "x-client-version")
_RESPONSE_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
_JSON = "application/json"


@dataclass(frozen=True)
class SentRequest:
    """A request of the protocol as it was received.

    Attributes:
        path: path below the prefix, percent-encoded.
        query: query string, percent-encoded.
        headers: its headers.
        body: its body.
        wants_body: whether the answer's body is wanted: not for HEAD.
    """

    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    wants_body: bool


class IcebergService:
    """Forwards calls to the catalog of the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        access: object store configuration of callers.
        lineage: records what runs read and write.
        volumes: the volumes, which a dropped database must not have.
        metadata_files: reads the metadata files that are registered.
        planning: where the texts of views are read.
    """

    def __init__(
        self,
        catalogs: Catalogs,
        access: FileAccess,
        lineage: RunLineage,
        volumes: VolumeService,
        metadata_files: MetadataFiles,
        planning: PlanningThreads,
    ) -> None:
        self._catalogs = catalogs
        self._access = access
        self._lineage = lineage
        self._volumes = volumes
        self._metadata_files = metadata_files
        self._planning = planning

    async def configuration(self, workspace: str) -> dict[str, Any]:
        """Return the ConfigResponse of a workspace: the prefix of its paths, and the endpoints that are supported.

        Args:
            workspace: slug.

        Raises:
            Unavailable: the catalog is unreachable.
        """
        supported = (await self._catalogs.of(workspace).config()).endpoints
        if supported is not None:
            # Keys are ours to give out, whatever the catalog does.
            ours = {LOAD_CREDENTIALS.endpoint}
            supported = supported | ours if self._access.has_sessions else supported - ours
        endpoints = advertised(supported)
        config: dict[str, Any] = {"defaults": {}, "overrides": {"prefix": workspace}}
        return config if endpoints is None else {**config, "endpoints": endpoints}

    async def forward(
        self, principal: Principal, call: CatalogCall, sent: SentRequest, catalog_names: Collection[str]
    ) -> Response:
        """Return the catalog's response to a call.

        Args:
            principal: the caller, whose role permits the operation.
            call: the call.
            sent: the request.
            catalog_names: the catalog's names in SQL, in lower case.

        Raises:
            BadRequest: a name, property, location or view is not allowed, or the body has not the protocol's shape.
            Conflict: it drops a database that has volumes.
            NotFound: it asks for new keys where keys do not end with a session.
            Unavailable: the catalog is unreachable, or the object store gives out no keys.
        """
        effect = call.operation.effect
        if call.operation.method != "POST":
            check_call(principal.access, call, {})
        if effect is Effect.DROPS:
            await self._volumes.refuse_to_drop(principal, call.namespace)
        if effect is Effect.VENDS:
            return await self._credentials(principal, call, table_path(sent.path))
        body: dict[str, Any] = {}
        if call.operation.method == "POST":
            body = _object(await parse_json(sent.body))
            check_call(principal.access, call, body)
            if call.operation.writes_contents:
                await self._check(principal, call, body, catalog_names)
        access = (
            await self._access.of(_reader_of(principal, call)) if effect in (Effect.LOADS, Effect.CREATES) else None
        )
        return await self._answer(principal, call, sent, body, access)

    async def _check(
        self, principal: Principal, call: CatalogCall, body: Mapping[str, Any], catalog_names: Collection[str]
    ) -> None:
        """Check what a request writes into the catalog, and what it makes the catalog read from the object store."""
        root = await self._access.root(principal.workspace)
        contents = Contents(principal.workspace, catalog_names, root)
        await self._planning.run(principal.workspace, contents.check, call, body)
        if call.operation is REGISTER:
            await self._metadata_files.check(principal.workspace, root, body["metadata-location"])

    async def _answer(
        self,
        principal: Principal,
        call: CatalogCall,
        sent: SentRequest,
        body: Mapping[str, Any],
        access: Access | None,
    ) -> Response:
        """Call the catalog and return its answer, with what we add to it.

        The body is serialized from what was parsed: that of the request could hold more, such as a duplicate field.
        """
        headers, began_at = _request_headers(sent.headers, access), now()
        content = None
        if call.operation.method == "POST":
            headers["content-type"] = _JSON
            content = await write_json(body, len(sent.body))
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(
                self._catalogs.transport.stream(
                    principal.workspace, call.operation.method, sent.path, sent.query, headers, content
                )
            )
            if response.status >= 400 and call.operation.method != "HEAD":
                return forwarded_error(response.status, await read_whole(response))
            if access:
                return await self._load_result(principal, call, response, access, call.name or body["name"])
            if principal.access.is_limited and sent.wants_body and (field := list_field(call)):
                listed = await _parsed_response(await read_whole(response))
                shown = seen(principal.access, listed, field)
                return Response(json.dumps(shown), response.status, {"Cache-Control": "no-store"}, _JSON)
            if call.operation.effect is Effect.LOADS_VIEW and principal.run_uid and sent.wants_body:
                return await self._loaded_view(principal, call, response)
            await self._record(principal, call, body, began_at)
            return await _passed_on(response, stack, sent.wants_body)

    async def _record(
        self, principal: Principal, call: CatalogCall, body: Mapping[str, Any], began_at: datetime
    ) -> None:
        """Record what a call means for lineage."""
        match call.operation.effect:
            case Effect.COMMITS:
                await self._lineage.record_commit(principal, call, body, began_at)
            case Effect.RENAMES:
                await self._lineage.record_rename(principal, body)
            case Effect.DROPS | Effect.DROPS_OBJECT:
                await self._lineage.record_drop(principal, call)
            case Effect.DEFINES_VIEW:
                await self._lineage.record_view(principal, call, body)

    async def _loaded_view(self, principal: Principal, call: CatalogCall, response: aiohttp.ClientResponse) -> Response:
        body = await read_whole(response)
        await self._lineage.record_load(principal, call, await _parsed_response(body))
        return Response(body, response.status, _response_headers(response))

    async def _load_result(
        self, principal: Principal, call: CatalogCall, response: aiohttp.ClientResponse, access: Access, table: str
    ) -> Response:
        headers = _response_headers(response)
        if etag := headers.pop("ETag", None):
            headers |= {"ETag": with_tag(etag, access.tag)} if access.tag else {}
        if response.status == 304:
            return Response(None, 304, headers)
        body = await read_whole(response)
        result = await _parsed_response(body)
        if call.operation.effect is Effect.LOADS:
            await self._lineage.record_load(principal, call, result)
        refreshed_at = credentials_path(principal.workspace, call.namespace, table)
        properties = await access.of_table(_location(result), refreshed_at)
        return Response(await write_answer(with_access(result, properties), len(body)), response.status, headers, _JSON)

    async def _credentials(self, principal: Principal, call: CatalogCall, path: str) -> Response:
        """Return the LoadCredentialsResponse of a table, given its path below the prefix."""
        access = await self._access.of(_reader_of(principal, call))
        if access.session is None:
            raise NotFound(
                "The keys that open this table's files are in the answer that loads it, and are not renewed."
            )
        async with self._catalogs.transport.stream(
            principal.workspace, "GET", path, "snapshots=refs", {}, None
        ) as response:
            body = await read_whole(response)
            if response.status >= 400:
                return forwarded_error(response.status, body)
        location = _location(await _parsed_response(body))
        keys = await access.session(location)
        credentials = [{"prefix": location, "config": keys}] if keys else []
        return Response(json.dumps({"storage-credentials": credentials}), 200, {"Cache-Control": "no-store"}, _JSON)


def _reader_of(principal: Principal, call: CatalogCall) -> Principal:
    """Return the caller as one whose keys only read, where grants let the caller only read the table of a call."""
    if call.name is None or principal.access.may(Privilege.INSERT, call.namespace, call.name):
        return principal
    return replace(principal, role=Role.VIEWER)


async def _parsed_response(body: bytes) -> dict[str, Any]:
    try:
        parsed = await parse_answer(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise Unavailable("The workspace's catalog did not respond as the Iceberg REST protocol specifies.")
    return parsed


def _object(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise BadRequest("The body is not a JSON object.")
    return parsed


def _location(result: Mapping[str, Any]) -> str:
    """Return the location of the table in a LoadTableResult."""
    metadata = result.get("metadata")
    location = metadata.get("location") if isinstance(metadata, Mapping) else None
    return location if isinstance(location, str) else ""


def _request_headers(headers: Mapping[str, str], access: Access | None) -> dict[str, str]:
    """Return the headers to forward; If-None-Match is adapted to the access that we add to the response."""
    forwarded = {name: headers[name] for name in _REQUEST_HEADERS if name in headers}
    condition: str | None = headers.get("if-none-match")
    if condition and access:
        condition = without_tag(condition, access.tag) if access.tag else None
    return {**forwarded, "If-None-Match": condition} if condition else forwarded


async def _passed_on(response: aiohttp.ClientResponse, stack: AsyncExitStack, wants_body: bool) -> Response:
    """Return a catalog's response as it is; a long one is streamed, and then closes the stack at its end.

    Where the body is not wanted, a long one is not read: a stream that nobody reads would never close the stack.
    """
    headers = _response_headers(response)
    if response.content_length is None or response.content_length > STREAMED_BYTES:
        if not wants_body:
            return StreamingResponse((), _status(response), headers, response.content_type)
        return StreamingResponse(_chunks(response, stack.pop_all()), _status(response), headers, response.content_type)
    return Response(await read_whole(response) or None, _status(response), headers)


async def _chunks(response: aiohttp.ClientResponse, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in response.content.iter_chunked(64 * 1024):
            yield chunk


def _status(response: aiohttp.ClientResponse) -> int:
    return 503 if response.status in (401, 403) else response.status


def _response_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}

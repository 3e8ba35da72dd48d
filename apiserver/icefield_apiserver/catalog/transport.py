"""HTTP to the catalogs: pooled connections, timeouts, the workspace's token, patience where a call may be repeated."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from cachetools import TTLCache
from yarl import URL

from icefield_apiserver.errors import ApiError, Unavailable
from icefield_apiserver.kube.secrets import CatalogAccess, WorkspaceSecrets

from .refusals import AWAY, CatalogRefusal, OutcomeUnknown

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
WRITE_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 15.0
"""Less than catalogs keep an idle connection (the JDK's HTTP server: 30 s), so that no call meets a closing one."""
MAX_CONNECTIONS = 64
ATTEMPTS = 3
FIRST_DELAY_SECONDS = 0.1
MAX_ANSWER_BYTES = 64 * 1024 * 1024
CONFIG_KEPT_SECONDS = 600.0
_CHUNK_BYTES = 64 * 1024
_AWAY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """A whole answer of a catalog."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body.

        Raises:
            Unavailable: there is none.
        """
        try:
            parsed = json.loads(self.body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise Unavailable("The workspace's catalog did not answer as the Iceberg REST protocol says.")
        return parsed


@dataclass(frozen=True)
class CatalogConfig:
    """What a catalog says of a warehouse.

    Attributes:
        prefix: what paths of the protocol begin with after `/v1/`, with a slash at its end; empty for none.
        endpoints: what it serves, such as `GET /v1/{prefix}/namespaces`; None where it does not say.
        settings: its defaults with its overrides over them.
    """

    prefix: str
    endpoints: frozenset[str] | None
    settings: Mapping[str, str]


class CatalogTransport:
    """Calls the catalogs of workspaces.

    Args:
        secrets: where each catalog is, and its token.
        session: the pool of connections.
    """

    def __init__(self, secrets: WorkspaceSecrets, session: aiohttp.ClientSession) -> None:
        self._secrets = secrets
        self._session = session
        self._configs: TTLCache[CatalogAccess, CatalogConfig] = TTLCache(4096, CONFIG_KEPT_SECONDS)

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Give a transport for as long as the context lasts; nothing is asked of a catalog yet."""
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield cls(secrets, session)

    async def config(self, workspace: str) -> CatalogConfig:
        """Return what the workspace's catalog says of its warehouse."""
        access = await self._secrets.catalog(workspace)
        if (kept := self._configs.get(access)) is None:
            kept = self._configs[access] = await self._ask_config(access)
        return kept

    async def call(
        self,
        workspace: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Make one call, and repeat it where that cannot do anything twice.

        Args:
            workspace: slug.
            method: GET and HEAD are repeated; others only when nothing was sent.
            path: after the prefix, percent-encoded, without a slash at its beginning.
            query: query parameters.
            headers: more headers.
            body: a JSON object.

        Raises:
            CatalogRefusal: the catalog answered something other than 2xx or 304.
            OutcomeUnknown: it took the call and did not answer.
            Unavailable: it could not be reached.
        """
        access = await self._secrets.catalog(workspace)
        url = await self.url(workspace, path, query)
        answer = await self._patiently(access, method, url, headers, body)
        if answer.status == 401:
            self._secrets.forget(workspace)
            if (renewed := await self._secrets.catalog(workspace)) != access:
                answer = await self._patiently(renewed, method, url, headers, body)
        if answer.status != 304 and not 200 <= answer.status < 300:
            raise CatalogRefusal.of(answer.status, answer.body)
        return answer

    @asynccontextmanager
    async def stream(
        self, workspace: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make one call as it is, whatever its answer, and give the answer to be read as it comes.

        Args:
            workspace: slug.
            method: GET and HEAD are repeated; others only when nothing was sent.
            path: after the prefix, percent-encoded, without a slash at its beginning.
            query: query string, percent-encoded.
            headers: the headers.
            body: the body.

        Raises:
            OutcomeUnknown: the catalog took the call and did not answer.
            Unavailable: it could not be reached.
        """
        access = await self._secrets.catalog(workspace)
        url = URL(f"{await self.url(workspace, path)}{f'?{query}' if query else ''}", encoded=True)
        answer = await self._open(access, method, url, headers, body)
        if answer.status == 401:
            self._secrets.forget(workspace)
            if (renewed := await self._secrets.catalog(workspace)) != access:
                answer.close()
                answer = await self._open(renewed, method, url, headers, body)
        try:
            yield answer
        finally:
            answer.release()

    async def url(self, workspace: str, path: str, query: Mapping[str, str] | None = None) -> URL:
        """Return the URL of a path below the prefix."""
        access = await self._secrets.catalog(workspace)
        config = await self.config(workspace)
        return _url(access, f"{config.prefix}{path}", query)

    async def _ask_config(self, access: CatalogAccess) -> CatalogConfig:
        query = {"warehouse": access.warehouse} if access.warehouse else None
        answer = await self._patiently(access, "GET", _url(access, "config", query), None, None)
        if answer.status != 200:
            refusal = CatalogRefusal.of(answer.status, answer.body)
            if refusal.status_code in (400, 404):
                raise Unavailable("The workspace's catalog does not know its warehouse yet; try again shortly.")
            raise refusal
        said = answer.json()
        settings = {**(said.get("defaults") or {}), **(said.get("overrides") or {})}
        prefix = str(settings.get("prefix") or "").strip("/")
        endpoints = said.get("endpoints")
        return CatalogConfig(
            prefix=f"{quote(prefix)}/" if prefix else "",
            endpoints=frozenset(endpoints) if endpoints else None,
            settings=settings,
        )

    async def _patiently(
        self,
        access: CatalogAccess,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> Answer:
        is_repeatable = method in ("GET", "HEAD")
        for attempt in range(ATTEMPTS):
            await _pause_before(attempt)
            try:
                answer = await self._once(access, method, url, headers, body)
            except aiohttp.ClientConnectorError:
                continue  # nothing was sent
            except (aiohttp.ClientError, TimeoutError) as error:
                if is_repeatable:
                    continue
                raise OutcomeUnknown from error
            if not (is_repeatable and answer.status in _AWAY):
                return answer
        raise Unavailable(AWAY)

    async def _once(
        self,
        access: CatalogAccess,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> Answer:
        async with self._session.request(
            method,
            url,
            headers={**(headers or {}), **_authorization(access)},
            json=body,
            timeout=_timeout(method),
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await read_whole(response))

    async def _open(
        self, access: CatalogAccess, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=_timeout(method).total)
        for attempt in range(ATTEMPTS):
            await _pause_before(attempt)
            try:
                return await self._session.request(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity", **headers, **_authorization(access)},
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError:
                continue  # nothing was sent
            except (aiohttp.ClientError, TimeoutError) as error:
                if method not in ("GET", "HEAD"):
                    raise OutcomeUnknown from error
        raise Unavailable(AWAY)


async def _pause_before(attempt: int) -> None:
    """Wait before an attempt, counted from 0; the first one waits for nothing."""
    if attempt:
        await asyncio.sleep(FIRST_DELAY_SECONDS * 3 ** (attempt - 1) * random.uniform(0.8, 1.2))  # noqa: S311


def _url(access: CatalogAccess, path: str, query: Mapping[str, str] | None) -> URL:
    url = URL(f"{access.uri}/v1/{path}", encoded=True)
    return url.with_query(dict(query)) if query else url


def _authorization(access: CatalogAccess) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.token}"} if access.token else {}


def _timeout(method: str) -> aiohttp.ClientTimeout:
    total = READ_SECONDS if method in ("GET", "HEAD") else WRITE_SECONDS
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS)


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer.

    Raises:
        ApiError: it is longer than anything that makes sense.
    """
    if response.content_length is not None and response.content_length <= MAX_ANSWER_BYTES:
        return await response.read()
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ApiError(503, f"The workspace's catalog answered more than {MAX_ANSWER_BYTES} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)

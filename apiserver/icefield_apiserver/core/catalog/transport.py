"""HTTP to the catalogs: connection pool, timeouts, the workspace's token, retries of calls that are safe to repeat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from urllib.parse import quote

import aiohttp
from cachetools import TTLCache
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from yarl import URL

from icefield_apiserver.core.errors import ApiError, Unavailable
from icefield_apiserver.core.json_text import parse_answer
from icefield_apiserver.core.kube.secrets import CatalogAccess, WorkspaceSecrets
from icefield_kube.bodies import BodyTooLongError, read_body

from .errors import UNREACHABLE, CatalogError, OutcomeUnknown

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
WRITE_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 15.0
"""Less than catalogs keep an idle connection (the JDK's HTTP server: 30 s), so that no call uses a closing one."""
MAX_CONNECTIONS = 64
ATTEMPTS = 3
SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Calls that may be repeated after they were sent."""
FIRST_DELAY_SECONDS = 0.1
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
CONFIG_KEPT_SECONDS = 600.0
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class CatalogResponse:
    """A response of a catalog, read completely."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    async def json(self) -> dict[str, Any]:
        """Return the JSON object in the body.

        Raises:
            Unavailable: the body is not a JSON object.
        """
        try:
            parsed = await parse_answer(self.body)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise Unavailable("The workspace's catalog did not respond as the Iceberg REST protocol specifies.")
        return parsed


@dataclass(frozen=True)
class CatalogConfig:
    """Configuration of a catalog's warehouse (ConfigResponse).

    Attributes:
        prefix: prefix of the protocol's paths after `/v1/`, with a trailing slash; empty for none.
        endpoints: supported endpoints, such as `GET /v1/{prefix}/namespaces`; None where they are not listed.
        settings: its defaults, updated with its overrides.
    """

    prefix: str
    endpoints: frozenset[str] | None
    settings: Mapping[str, str]


class CatalogTransport:
    """Calls the workspaces' catalogs.

    Args:
        secrets: URL and token of each catalog.
        session: the connection pool.
    """

    def __init__(self, secrets: WorkspaceSecrets, session: aiohttp.ClientSession) -> None:
        self._secrets = secrets
        self._session = session
        self._configs: TTLCache[CatalogAccess, CatalogConfig] = TTLCache(4096, CONFIG_KEPT_SECONDS)

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Open a transport for the duration of the context, without a request yet."""
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield cls(secrets, session)

    async def config(self, workspace: str) -> CatalogConfig:
        """Return the configuration of the workspace's warehouse, cached."""
        access = await self._secrets.catalog(workspace)
        if (cached := self._configs.get(access)) is None:
            cached = self._configs[access] = await self._request_config(access)
        return cached

    async def call(
        self,
        workspace: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> CatalogResponse:
        """Make one call, retried where a repetition has no second effect.

        Args:
            workspace: slug.
            method: GET and HEAD are retried; others only when nothing was sent.
            path: after the prefix, percent-encoded, without a leading slash.
            query: query parameters.
            headers: more headers.
            body: a JSON object.

        Raises:
            CatalogError: the catalog responded with a status other than 2xx and 304.
            OutcomeUnknown: the catalog received the call and did not respond.
            Unavailable: the catalog is unreachable.
        """
        access = await self._secrets.catalog(workspace)
        url = await self.url(workspace, path, query)
        response = await self._send_with_retries(access, method, url, headers, body)
        if response.status == 401:
            self._secrets.forget(workspace)
            if (renewed := await self._secrets.catalog(workspace)) != access:
                response = await self._send_with_retries(renewed, method, url, headers, body)
        if response.status != 304 and not 200 <= response.status < 300:
            raise CatalogError.of(response.status, response.body)
        return response

    @asynccontextmanager
    async def stream(
        self, workspace: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make one call and yield the response, whatever its status, to be read as a stream.

        Args:
            workspace: slug.
            method: GET and HEAD are retried; others only when nothing was sent.
            path: after the prefix, percent-encoded, without a leading slash.
            query: query string, percent-encoded.
            headers: the headers.
            body: the body.

        Raises:
            OutcomeUnknown: the catalog received the call and did not respond.
            Unavailable: the catalog is unreachable.
        """
        access = await self._secrets.catalog(workspace)
        url = URL(f"{await self.url(workspace, path)}{f'?{query}' if query else ''}", encoded=True)
        response = await self._open_with_retries(access, method, url, headers, body)
        if response.status == 401:
            self._secrets.forget(workspace)
            if (renewed := await self._secrets.catalog(workspace)) != access:
                response.close()
                response = await self._open_with_retries(renewed, method, url, headers, body)
        try:
            yield response
        finally:
            response.release()

    async def url(self, workspace: str, path: str, query: Mapping[str, str] | None = None) -> URL:
        """Return the URL of a path below the prefix."""
        access = await self._secrets.catalog(workspace)
        config = await self.config(workspace)
        return _url(access, f"{config.prefix}{path}", query)

    async def _request_config(self, access: CatalogAccess) -> CatalogConfig:
        query = {"warehouse": access.warehouse} if access.warehouse else None
        response = await self._send_with_retries(access, "GET", _url(access, "config", query), None, None)
        if response.status != 200:
            error = CatalogError.of(response.status, response.body)
            if error.status_code in (400, 404):
                raise Unavailable("The workspace's catalog does not have its warehouse yet; try again shortly.")
            raise error
        config = await response.json()
        settings = {**(config.get("defaults") or {}), **(config.get("overrides") or {})}
        prefix = str(settings.get("prefix") or "").strip("/")
        endpoints = config.get("endpoints")
        return CatalogConfig(
            prefix=f"{quote(prefix)}/" if prefix else "",
            endpoints=frozenset(endpoints) if endpoints else None,
            settings=settings,
        )

    async def _send_with_retries(
        self,
        access: CatalogAccess,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> CatalogResponse:
        async def send() -> CatalogResponse:
            with _retryable_errors(method):
                response = await self._send(access, method, url, headers, body)
            if method in SAFE_METHODS and response.status in _RETRIED_STATUSES:
                raise _RetryableError
            return response

        return await _retries()(send)

    async def _send(
        self,
        access: CatalogAccess,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> CatalogResponse:
        async with self._session.request(
            method,
            url,
            headers={**(headers or {}), **_authorization(access)},
            json=body,
            timeout=_timeout(method),
            allow_redirects=False,
        ) as response:
            return CatalogResponse(response.status, response.headers, await read_whole(response))

    async def _open_with_retries(
        self, access: CatalogAccess, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=_timeout(method).total)

        async def send() -> aiohttp.ClientResponse:
            with _retryable_errors(method):
                return await self._session.request(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity", **headers, **_authorization(access)},
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                )

        return await _retries()(send)


class _RetryableError(Exception):
    """The call had no effect, or repeating it has no second one."""


@contextmanager
def _retryable_errors(method: str) -> Iterator[None]:
    """Raise _RetryableError for a failed request that may be repeated, OutcomeUnknown for any other."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:  # nothing was sent
        raise _RetryableError from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise (_RetryableError if method in SAFE_METHODS else OutcomeUnknown) from error


def _retries() -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_DELAY_SECONDS, exp_base=3) + wait_random(0, FIRST_DELAY_SECONDS / 4),
        retry=retry_if_exception_type(_RetryableError),
        retry_error_callback=_give_up,
    )


def _give_up(state: RetryCallState) -> NoReturn:
    raise Unavailable(UNREACHABLE) from (state.outcome.exception() if state.outcome else None)


def _url(access: CatalogAccess, path: str, query: Mapping[str, str] | None) -> URL:
    url = URL(f"{access.uri}/v1/{path}", encoded=True)
    return url.with_query(dict(query)) if query else url


def _authorization(access: CatalogAccess) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.token}"} if access.token else {}


def _timeout(method: str) -> aiohttp.ClientTimeout:
    total = READ_SECONDS if method in ("GET", "HEAD") else WRITE_SECONDS
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS)


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a response.

    Raises:
        ApiError: it is longer than MAX_RESPONSE_BYTES.
    """
    try:
        return await read_body(response, MAX_RESPONSE_BYTES)
    except BodyTooLongError as error:
        raise ApiError(503, f"The workspace's catalog responded with more than {error.limit} bytes.") from error

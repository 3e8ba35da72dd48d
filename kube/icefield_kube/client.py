"""Calls to the Kubernetes API: JSON in and out, each with a timeout, a refusal as a KubernetesError.

Objects are addressed by path: the official client's typed classes can neither send impersonation headers per call nor
stream a watch as lines, and turning a Pod into them and back costs more than the request.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from prometheus_client import Counter
from yarl import URL

from .errors import KubernetesError, Unreachable
from .paths import resource_of

Manifest = dict[str, Any]
"""An object as the Kubernetes API serves it."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
CALL_TIMEOUT_SECONDS = 10.0
MAX_CONNECTIONS = 512
"""Of calls; streams have no limit of their own."""
KEEP_ALIVE_SECONDS = 60.0
"""Less than the 90 s after which kube-apiserver closes an idle connection."""
READ_BUFFER_BYTES = 2**21
"""An event of a watch is one line, and may have as many bytes as the largest object."""

REQUESTS = Counter("icefield_kubernetes_requests_total", "Requests sent to the Kubernetes API.", ["method", "resource"])


class Credentials(NamedTuple):
    """How to reach the API, for a client of its own (the fields are those of kopf's ConnectionInfo)."""

    server: str
    ca_path: str | None
    insecure: bool
    scheme: str | None
    token: str | None
    certificate_path: str | None
    private_key_path: str | None


class KubeClient:
    """Connections to a cluster under one identity: a pool for calls and another for streams.

    The official client loads credentials and TLS; requests are sent without it. For each request it copies headers and
    parameters, reads .netrc and the proxies of the environment, and writes JSON with the standard library.

    Args:
        configuration: where the cluster is, and with which credentials.
        timeout_seconds: how long one call may take, connecting included.
    """

    def __init__(self, configuration: Configuration, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> None:
        self._configuration = configuration
        self._timeout_seconds = timeout_seconds
        trust = RESTClientObject(configuration).ssl_context
        self._calls = _session(configuration, trust, MAX_CONNECTIONS)
        # A stream holds its connection for minutes; sharing the pool, followers would starve the calls.
        self._streams = _session(configuration, trust, 0)

    @classmethod
    async def connect(cls, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> Self:
        """Return a client for the cluster this process runs in, else for the current context of KUBECONFIG."""
        configuration = Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            # Read here: the library reads KUBECONFIG when it is imported, which may be too early.
            path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path, client_configuration=configuration, persist_config=False
            )
        return cls(configuration, timeout_seconds)

    async def close(self) -> None:
        """Close every connection."""
        await self._calls.close()
        await self._streams.close()

    async def credentials(self) -> Credentials:
        """Return what another client needs to log in with the same identity; a rotated token is read each time."""
        configuration = self._configuration
        scheme, _, token = (await self._authorization()).rpartition(" ")
        return Credentials(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Make one call and return the JSON object answered.

        Args:
            method: such as GET.
            path: URL path (paths.path_of).
            query: query parameters.
            body: JSON object to send.
            content_type: of the body; PATCH has several.
            accept: representation wanted, such as metadata only.
            headers: further request headers, such as impersonation.

        Raises:
            KubernetesError: it was refused; Unreachable when there was no answer in time.
        """
        sent = {"Accept": accept, "Content-Type": content_type, **(headers or {})}
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        try:
            response = await self._send(self._calls, method, path, query, sent, body, timeout)
            async with response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 300:
            raise KubernetesError.of(response.status, raw, response.headers)
        answer: Manifest = orjson.loads(raw)
        return answer

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        idle_seconds: float | None,
        head_seconds: float | None = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a GET whose answer is read as it arrives; errors while reading are aiohttp's own.

        Args:
            path: URL path.
            query: query parameters.
            idle_seconds: seconds without a byte after which reading raises TimeoutError; None for no limit.
            head_seconds: how long the answer's head may take, which of a followed log comes with the first line; None
                for as long as a call may.

        Raises:
            KubernetesError: it was refused; Unreachable when there was no answer in time.
        """
        seconds = self._timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=idle_seconds)
        try:
            async with asyncio.timeout(head_seconds or seconds):
                response = await self._send(self._streams, "GET", path, query, {"Accept": "*/*"}, None, timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"GET {path}: {error or type(error).__name__}") from error
        try:
            if response.status >= 300:
                raise KubernetesError.of(response.status, await response.read(), response.headers)
            yield response.content
        finally:
            response.close()

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: dict[str, str],
        body: Mapping[str, Any] | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        REQUESTS.labels(method, resource_of(path)).inc()
        if authorization := await self._authorization():
            headers["Authorization"] = authorization
        url = self._configuration.host + path + (f"?{urlencode(query)}" if query else "")
        return await session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=None if body is None else orjson.dumps(body),
            timeout=limits,
            allow_redirects=False,
            server_hostname=self._configuration.tls_server_name,
            proxy_headers=self._configuration.proxy_headers,
        )

    async def _authorization(self) -> str:
        """Return the header of this name; a rotated token is read again."""
        header = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return (await header if inspect.isawaitable(header) else header) or ""


def _session(configuration: Configuration, trust: ssl.SSLContext, max_connections: int) -> aiohttp.ClientSession:
    """Return a pool of connections; 0 for as many as are wanted."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max_connections, ssl=trust, keepalive_timeout=KEEP_ALIVE_SECONDS),
        proxy=_proxy_of(configuration),
        read_bufsize=READ_BUFFER_BYTES,
    )


def _proxy_of(configuration: Configuration) -> str | None:
    """Return the URL of the proxy that leads to the cluster, if one does: the kubeconfig's, or the environment's."""
    server = urlsplit(configuration.host)
    if configuration.proxy or proxy_bypass(server.hostname or ""):
        return configuration.proxy or None
    return getproxies().get(server.scheme)


def delete_options(*, uid: str | None = None, resource_version: str | None = None) -> Manifest:
    """Return the body of a DELETE that also deletes in the background what the object owns.

    Args:
        uid: delete only the object with this uid.
        resource_version: delete it only when unchanged since then.
    """
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {key: value for key, value in preconditions.items() if value},
    }


def still_exists(kind: str, deleted: Manifest) -> bool:
    """Return whether an object waits for its grace period, or for a finalizer, though it was deleted.

    Args:
        kind: its kind.
        deleted: what its DELETE was answered with: the object, or a metav1.Status.
    """
    if deleted.get("kind") != kind:
        return False
    metadata = deleted["metadata"]
    return bool(metadata.get("deletionGracePeriodSeconds") or metadata.get("finalizers"))

"""Calls to the Kubernetes API: JSON in and out, each with a timeout, a refusal as a KubernetesError.

Objects are addressed by path through the official client's `ApiClient`: its typed classes can neither send
impersonation headers per call nor stream a watch as lines, and turning a Pod into them and back costs more than the
request.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from .errors import KubernetesError, Unreachable

Manifest = dict[str, Any]
"""An object as the Kubernetes API serves it."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
CALL_TIMEOUT_SECONDS = 10.0
MAX_CONNECTIONS = 512
"""Of calls; streams have no limit of their own."""


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

    Args:
        configuration: where the cluster is, and with which credentials.
        timeout_seconds: how long one call may take, connecting included.
    """

    def __init__(self, configuration: Configuration, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._calls = ApiClient(configuration)
        streaming = Configuration.__new__(Configuration)
        streaming.__dict__.update(configuration.__dict__)
        streaming.connection_pool_maxsize = 0
        # A stream holds its connection for minutes; sharing the pool, followers would starve the calls.
        self._streams = ApiClient(streaming)

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
        configuration.connection_pool_maxsize = MAX_CONNECTIONS
        return cls(configuration, timeout_seconds)

    async def close(self) -> None:
        """Close every connection."""
        await self._calls.close()  # type: ignore[no-untyped-call]
        await self._streams.close()  # type: ignore[no-untyped-call]

    async def credentials(self) -> Credentials:
        """Return what another client needs to log in with the same identity; a rotated token is read each time."""
        configuration = self._calls.configuration
        header = configuration.get_api_key_with_prefix("BearerToken")
        if inspect.isawaitable(header):
            header = await header
        scheme, _, token = (header or "").rpartition(" ")
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
        answer: Manifest = json.loads(raw)
        return answer

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, idle_seconds: float | None
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a GET whose answer is read as it arrives; errors while reading are aiohttp's own.

        Args:
            path: URL path.
            query: query parameters.
            idle_seconds: seconds without a byte after which reading raises TimeoutError; None for no limit.

        Raises:
            KubernetesError: it was refused; Unreachable when there was no answer in time.
        """
        seconds = self._timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=idle_seconds)
        try:
            async with asyncio.timeout(seconds):
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
        api: ApiClient,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: dict[str, str],
        body: Mapping[str, Any] | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        verb, url, sent, _, _ = await api.param_serialize(
            method,
            path,
            query_params=list(query.items()) if query else [],
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        # The body is JSON already: param_serialize would copy it first.
        rest: Any = api.rest_client
        answer = await rest.request(verb, url, headers=sent, body=body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response


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

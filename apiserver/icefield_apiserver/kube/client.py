"""Typed calls to the Kubernetes API: each has a timeout, and a refusal is an ApiException.

Custom resources are asked for by path through the official client's `ApiClient` rather than `CustomObjectsApi`, which
cannot send impersonation headers per call, stream a watch as lines, or read a pod's log from a point in time
(`sinceTime` is not in the OpenAPI document).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from icefield_crds.meta import Resource
from icefield_crds.names import API_VERSION

from .impersonation import Impersonation

AnyResource = Resource[Any, Any]
R = TypeVar("R", bound=AnyResource)

CALL_TIMEOUT_SECONDS = 10.0
MERGE_PATCH = "application/merge-patch+json"


class KubeClient:
    """One identity's connection to a cluster, with a pool of connections for calls and another for streams.

    Args:
        configuration: where the cluster is, and with which credentials.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._api = ApiClient(configuration)
        streaming = Configuration.__new__(Configuration)
        streaming.__dict__.update(configuration.__dict__)
        streaming.connection_pool_maxsize = 0
        # A stream holds its connection for minutes; sharing the pool, followers would starve the calls.
        self._streams = ApiClient(streaming)

    @classmethod
    async def connect(cls) -> Self:
        """Return a client for the cluster this process runs in, else for the current context of KUBECONFIG."""
        configuration = Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path, client_configuration=configuration, persist_config=False
            )
        return cls(configuration)

    async def close(self) -> None:
        """Close every connection."""
        await self._api.close()  # type: ignore[no-untyped-call]
        await self._streams.close()  # type: ignore[no-untyped-call]

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        impersonation: Impersonation | None = None,
    ) -> dict[str, Any]:
        """Make one call and return the JSON object answered.

        Raises:
            ApiException: Kubernetes refused; `body` is its metav1.Status.
            aiohttp.ClientError: it could not be reached.
            TimeoutError: it did not answer in time.
        """
        headers = {"Accept": accept, "Content-Type": content_type, **(impersonation.headers if impersonation else {})}
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_SECONDS)
        response = await self._send(self._api, method, path, query, headers, body, timeout)
        raw = await response.read()
        if response.status >= 300:
            raise _refusal(response, raw)
        parsed: dict[str, Any] = json.loads(raw)
        return parsed

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, idle_seconds: float | None
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a GET whose answer is read as it comes.

        Args:
            path: path of the URL.
            query: its query parameters.
            idle_seconds: longest silence before the connection counts as dead (TimeoutError); None for any.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT_SECONDS, sock_read=idle_seconds)
        async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
            response = await self._send(self._streams, "GET", path, query, {"Accept": "*/*"}, None, timeout)
        try:
            if response.status >= 300:
                raise _refusal(response, await response.read())
            yield response.content
        finally:
            response.close()

    async def get(self, model: type[R], namespace: str | None, name: str) -> R:
        """Read one resource from the API server itself."""
        return model.model_validate(await self.call("GET", path_of(model, namespace, name)))

    async def create(self, resource: R, impersonation: Impersonation) -> R:
        """Create a resource as somebody; metadata may carry generateName instead of a name."""
        body = {**resource.to_api(), "apiVersion": API_VERSION, "kind": resource.KIND}
        body["metadata"] = {
            key: value
            for key, value in body["metadata"].items()
            if key in ("name", "generateName", "namespace", "labels", "annotations", "ownerReferences") and value
        }
        body.pop("status", None)
        path = path_of(type(resource), resource.metadata.namespace)
        return type(resource).model_validate(await self.call("POST", path, body=body, impersonation=impersonation))

    async def patch(
        self, model: type[R], namespace: str | None, name: str, patch: Mapping[str, Any], impersonation: Impersonation
    ) -> R:
        """Apply a JSON merge patch (RFC 7386) as somebody."""
        path = path_of(model, namespace, name)
        answer = await self.call("PATCH", path, body=patch, content_type=MERGE_PATCH, impersonation=impersonation)
        return model.model_validate(answer)

    async def delete(
        self, model: type[R], namespace: str | None, name: str, uid: str, impersonation: Impersonation
    ) -> None:
        """Delete a resource as somebody, and in the background what it owns; only if it still has this uid."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        await self.call("DELETE", path_of(model, namespace, name), body=options, impersonation=impersonation)

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
        prepared = await api.param_serialize(
            method,
            path,
            query_params=list(query.items()) if query else [],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response: aiohttp.ClientResponse = (await api.call_api(*prepared, _request_timeout=limits)).response
        return response


def path_of(model: type[AnyResource], namespace: str | None, name: str | None = None) -> str:
    """Return the URL path of a kind, or of one resource of it."""
    parts = ["/apis", API_VERSION]
    if model.NAMESPACED and namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(model.PLURAL)
    if name is not None:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def _refusal(response: aiohttp.ClientResponse, raw: bytes) -> ApiException:
    error = ApiException(status=response.status, reason=response.reason)
    error.body = raw.decode(errors="replace")
    error.headers = response.headers
    return error

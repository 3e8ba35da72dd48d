"""The only module that talks to Kubernetes: typed, timed, and without a word about what the objects mean.

Objects go in and out as the JSON that the API serves: the builders make JSON, and turning a Pod into the client's model
classes and back costs more than the request. What a write returns enters the cache (world.py) at once, so that no later
step decides on something older than what we did ourselves.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from icefield_crds import Resource, Status
from icefield_crds.names import API_VERSION, FIELD_MANAGER

from .endpoints import path_of
from .errors import AlreadyExists, Conflict, KubernetesError, NotFound, Unreachable
from .world import Manifest, World

REQUEST_TIMEOUT = 15.0
"""Seconds that one request may take, connecting included."""

LIST_PAGE = 500
MAX_CONNECTIONS = 512
"""Each log that is being followed holds one (logs.archiver.MAX_FOLLOWERS)."""


class Credentials(NamedTuple):
    """How to reach the API, for a client of its own (the fields are those of kopf's ConnectionInfo)."""

    server: str
    ca_path: str | None
    insecure: bool
    scheme: str | None
    token: str | None
    certificate_path: str | None
    private_key_path: str | None


class Cluster:
    """The Kubernetes API, as far as the operator uses it.

    Every method raises a KubernetesError: `.retryable` says whether the same call may succeed later.
    """

    def __init__(self, client: kubernetes_client.ApiClient, world: World) -> None:
        """Wrap a connected client; `world` is told of every object that a write returns."""
        self._client = client
        self._world = world

    @classmethod
    async def connect(cls, world: World) -> Self:
        """Return a Cluster for the pod's service account, or outside a cluster for KUBECONFIG."""
        configuration = kubernetes_client.Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            kubernetes_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            # The client reads KUBECONFIG when it is imported, which may be too early.
            await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
                os.environ.get("KUBECONFIG"), client_configuration=configuration, persist_config=False
            )
        configuration.connection_pool_maxsize = MAX_CONNECTIONS
        return cls(kubernetes_client.ApiClient(configuration), world)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def credentials(self) -> Credentials:
        """Return what another client needs to log in as we do; a token that is rotated is read anew each time."""
        configuration = self._client.configuration
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

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now, not as cached; None when there is none."""
        try:
            return await self._request("GET", path_of(kind, namespace, name))
        except NotFound:
            return None

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> tuple[list[Manifest], str]:
        """Return all objects of a kind and the resourceVersion of the list.

        Args:
            kind: such as `Pod`.
            namespace: only there; everywhere when None.
            selector: a label selector.
        """
        items: list[Manifest] = []
        query = {"limit": str(LIST_PAGE), "labelSelector": selector, "continue": ""}
        while True:
            page = await self._request("GET", path_of(kind, namespace), query={k: v for k, v in query.items() if v})
            api_version = page["apiVersion"]
            items += [{"apiVersion": api_version, "kind": kind, **item} for item in page.get("items") or []]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return items, page["metadata"]["resourceVersion"]

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object.

        Raises:
            AlreadyExists: an object of this name is there; whose it is, the caller must look at.
        """
        path = path_of(manifest["kind"], manifest["metadata"].get("namespace"))
        return self._record(await self._request("POST", path, query={"fieldManager": FIELD_MANAGER}, body=manifest))

    async def create_or_adopt(self, manifest: Manifest) -> Manifest:
        """Create a child, or return the one that its owner already made under the same name.

        Raises:
            Conflict: the name is taken by something that this owner did not make.
        """
        try:
            return await self.create(manifest)
        except AlreadyExists:
            kind, metadata = manifest["kind"], manifest["metadata"]
            present = await self.get(kind, metadata.get("namespace"), metadata["name"])
        if present is None:
            raise Conflict(409, f"{kind} {metadata['name']} vanished while it was being adopted")
        owners = {reference["uid"] for reference in present["metadata"].get("ownerReferences", [])}
        if not owners >= {reference["uid"] for reference in metadata.get("ownerReferences", [])}:
            raise Conflict(409, f"the name {metadata['name']} is taken by a {kind} of somebody else")
        return self._record(present)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side-apply an object as `icefield-operator`, taking over fields that others set."""
        metadata = manifest["metadata"]
        applied = await self._request(
            "PATCH",
            path_of(manifest["kind"], metadata.get("namespace"), metadata["name"]),
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=manifest,
            content_type="application/apply-patch+yaml",
        )
        return self._record(applied)

    async def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object; that it is gone already is fine.

        Args:
            kind: such as `Pod`.
            namespace: its namespace; None for a cluster-scoped kind.
            name: its name.
            uid: delete only this very object.
            resource_version: delete it only when unchanged since then.

        Raises:
            Conflict: a precondition does not hold.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body: Manifest = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in preconditions.items() if value},
        }
        try:
            answer = await self._request("DELETE", path_of(kind, namespace, name), body=body)
        except NotFound:
            self._world.forget(kind, namespace, name, uid)
            return
        # The answer may come after the watch has told the end: what is gone must not be taken in again.
        if answer.get("kind") == kind and _is_still_there(answer):
            self._record(answer)
        else:
            self._world.forget(kind, namespace, name, uid)

    async def write_status(self, resource: Resource[Any, Any], status: Status) -> bool:
        """Write the status of a custom resource; return whether it differed from what was there.

        Only a status computed from the newest version is written: an older view never undoes a newer one.

        Raises:
            Conflict: somebody changed the resource meanwhile.
            NotFound: it is gone.
        """
        wanted = status.to_api()
        present = resource.status.to_api() if resource.status else {}
        if wanted == present:
            return False
        gone = {key: None for key in present if key not in wanted}
        metadata = resource.metadata
        try:
            written = await self._request(
                "PATCH",
                path_of(resource.KIND, metadata.namespace, metadata.name) + "/status",
                query={"fieldManager": FIELD_MANAGER},
                body={
                    "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
                    "status": wanted | gone,
                },
                content_type="application/merge-patch+json",
            )
        except NotFound:
            self._world.forget(resource.KIND, metadata.namespace, metadata.name, metadata.uid)
            raise
        self._record(written)
        return True

    async def apply_owner(self, resource: Resource[Any, Any], owner: Resource[Any, Any]) -> Manifest:
        """Make `owner` the controller of a resource that somebody else created; nothing else of it is touched."""
        return await self.apply(
            {
                "apiVersion": API_VERSION,
                "kind": resource.KIND,
                "metadata": {
                    "name": resource.metadata.name,
                    "namespace": resource.metadata.namespace,
                    "uid": resource.metadata.uid,
                    "ownerReferences": [owner.owner_reference.to_api()],
                },
            }
        )

    async def end_pod(self, pod: Manifest) -> None:
        """Make a pod end: SIGTERM, its grace period, SIGKILL, and its logs and exit code stay readable.

        A pod that no kubelet has seen has neither, and nobody would act on its deadline: it is deleted.

        Raises:
            Conflict: it was scheduled meanwhile; try again.
        """
        metadata, spec = pod["metadata"], pod["spec"]
        if not spec.get("nodeName"):
            version = metadata["resourceVersion"]
            await self.delete(
                "Pod", metadata["namespace"], metadata["name"], uid=metadata["uid"], resource_version=version
            )
        elif spec.get("activeDeadlineSeconds") != 1:
            await self._merge_patch(pod, {"spec": {"activeDeadlineSeconds": 1}})

    async def merge_patch(self, kind: str, namespace: str | None, name: str, patch: Manifest) -> Manifest:
        """Merge-patch an object, for the few fields that server-side apply cannot express (finalizers)."""
        return self._record(
            await self._request(
                "PATCH",
                path_of(kind, namespace, name),
                query={"fieldManager": FIELD_MANAGER},
                body=patch,
                content_type="application/merge-patch+json",
            )
        )

    async def _merge_patch(self, manifest: Manifest, patch: Manifest) -> None:
        metadata = manifest["metadata"]
        try:
            await self.merge_patch(
                manifest["kind"],
                metadata.get("namespace"),
                metadata["name"],
                {"metadata": {"uid": metadata["uid"]}, **patch},
            )
        except NotFound:
            self._world.forget(manifest["kind"], metadata.get("namespace"), metadata["name"], metadata["uid"])

    @asynccontextmanager
    async def pod_log(
        self,
        namespace: str,
        name: str,
        *,
        container: str = "task",
        follow: bool = True,
        since_time: str | None = None,
        idle_timeout: float = 300.0,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Stream a container's log with the kubelet's timestamps; the stream ends when the container does.

        Args:
            namespace: the pod's namespace.
            name: the pod's name.
            container: which container.
            follow: whether to wait for what comes.
            since_time: RFC 3339; only lines from then on (whole seconds are what the kubelet promises).
            idle_timeout: seconds without a byte after which TimeoutError is raised: the connection may have died.
        """
        query = {"container": container, "timestamps": "true", "follow": "true" if follow else "false"}
        if since_time:
            query["sinceTime"] = since_time
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT, sock_read=idle_timeout)
        response = await self._send(
            "GET", path_of("Pod", namespace, name) + "/log", query, None, "application/json", timeout
        )
        try:
            if response.status >= 400:
                raise KubernetesError.of(response.status, await response.text(), response.headers)
            yield response.content
        finally:
            response.close()

    def _record(self, manifest: Manifest) -> Manifest:
        self._world.record(manifest)
        return manifest

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        try:
            response = await self._send(method, path, query or {}, body, content_type, timeout)
            async with response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 400:
            raise KubernetesError.of(response.status, text, response.headers)
        answer: Manifest = json.loads(text)
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - handed to aiohttp, which enforces it
    ) -> aiohttp.ClientResponse:
        verb, url, headers, _, _ = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        rest: Any = self._client.rest_client
        answer = await rest.request(verb, url, headers=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


def _is_still_there(deleted: Manifest) -> bool:
    """Say whether an object that a DELETE answered with waits for its grace period, or for a finalizer."""
    metadata = deleted["metadata"]
    return bool(metadata.get("deletionGracePeriodSeconds") or metadata.get("finalizers"))


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Await calls that do not depend on each other, all to their end, and then raise the first error, if any."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers

"""The operator's calls to the Kubernetes API, without knowledge of what the objects mean.

Objects go in and out as JSON. What a write returns enters the ClusterCache at once, so that no later step decides on
something older than the operator's own write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp

from icefield_crds import Resource, Status, format_time
from icefield_crds.names import API_VERSION, END_REQUESTED_ANNOTATION, FIELD_MANAGER
from icefield_kube.client import (
    APPLY_PATCH,
    MERGE_PATCH,
    Credentials,
    KubeClient,
    Manifest,
    delete_options,
    still_exists,
)
from icefield_kube.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from icefield_kube.paths import path_of
from icefield_kube.request_review import RequestReview
from icefield_kube.watch import Receiver, Reflector, pages

from .cluster_cache import ClusterCache

REQUEST_TIMEOUT = 15.0
"""Seconds that one request may take, connecting included."""

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The representation of a list without spec and status."""

_FIELD_MANAGER = {"fieldManager": FIELD_MANAGER}


class NotLeading(KubernetesError):  # noqa: N818 - named as the errors of the API are
    """This operator must not write any more: another one may act already."""

    def __init__(self) -> None:
        super().__init__(503, "this operator does not lead any more")


class Cluster:
    """Typed calls to the Kubernetes API; own writes enter the cache.

    Every method raises a KubernetesError: `.retryable` says whether the same call may succeed later.
    """

    def __init__(self, client: KubeClient, cache: ClusterCache) -> None:
        """Wrap a connected client; `cache` receives every object that a write returns."""
        self._client = client
        self._cache = cache
        self._may_write: Callable[[], bool] = lambda: True

    @classmethod
    async def connect(cls, cache: ClusterCache) -> Self:
        """Return a Cluster for the pod's service account, or outside a cluster for KUBECONFIG."""
        return cls(await KubeClient.connect(REQUEST_TIMEOUT), cache)

    def write_only_while(self, is_leading: Callable[[], bool]) -> None:
        """Have every write raise NotLeading unless `is_leading()` holds just before it is sent."""
        self._may_write = is_leading

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def credentials(self) -> Credentials:
        """Return what another client needs to log in with the same identity; a rotated token is read each time."""
        return await self._client.credentials()

    def reflector(self, kind: str, receiver: Receiver, *, selector: str, version: str | None = None) -> Reflector:
        """Return what keeps a receiver up to date with the objects of a kind.

        Args:
            kind: such as `Pod`.
            receiver: where changes are delivered.
            selector: a label selector.
            version: resourceVersion of a list that the receiver has already; None to begin with a list.
        """
        return Reflector(self._client, path_of(kind, None), receiver, label_selector=selector, version=version)

    def request_review(self) -> RequestReview:
        """Return what decides by RBAC who may read what this process serves."""
        return RequestReview(self._client)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now, not as cached; None when there is none."""
        try:
            return await self._request("GET", path_of(kind, namespace, name))
        except NotFound:
            return None

    async def pages(
        self, kind: str, namespace: str | None = None, selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[tuple[list[Manifest], str]]:
        """Yield all objects of a kind page by page, each with the resourceVersion of the list; see `list`."""
        path = path_of(kind, namespace)
        async for page in pages(self._client, path, label_selector=selector, field_selector=field_selector):
            api_version = page["apiVersion"]
            items = [{"apiVersion": api_version, "kind": kind, **item} for item in page.get("items") or []]
            yield items, page["metadata"]["resourceVersion"]

    async def list(
        self, kind: str, namespace: str | None = None, selector: str = "", field_selector: str = ""
    ) -> tuple[list[Manifest], str]:
        """Return all objects of a kind and the resourceVersion of the list.

        Args:
            kind: such as `Pod`.
            namespace: only there; everywhere when None.
            selector: a label selector.
            field_selector: a field selector, of those that the kind has.
        """
        items: list[Manifest] = []
        version = ""
        async for page, version_of_page in self.pages(kind, namespace, selector, field_selector):
            items += page
            version = version_of_page
        return items, version

    async def metadata_of(self, kind: str, selector: str) -> AsyncIterator[Manifest]:
        """Yield every object of a kind that a label selector matches, with nothing but its metadata."""
        async for page in pages(self._client, path_of(kind, None), label_selector=selector, accept=METADATA_ONLY):
            for item in page.get("items") or []:
                yield item

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object.

        Raises:
            AlreadyExists: an object of this name exists; the caller must check whose it is.
        """
        path = path_of(manifest["kind"], manifest["metadata"].get("namespace"))
        return self._record(await self._request("POST", path, query=_FIELD_MANAGER, body=manifest))

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
            raise Conflict(409, f"the name {metadata['name']} is taken by a {kind} with another owner")
        return self._record(present)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side-apply an object as `icefield-operator`, taking over fields that others set."""
        metadata = manifest["metadata"]
        applied = await self._request(
            "PATCH",
            path_of(manifest["kind"], metadata.get("namespace"), metadata["name"]),
            query=_FIELD_MANAGER | {"force": "true"},
            body=manifest,
            content_type=APPLY_PATCH,
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
        """Delete an object; one that is deleted already is no error.

        Args:
            kind: such as `Pod`.
            namespace: its namespace; None for a cluster-scoped kind.
            name: its name.
            uid: delete only this very object.
            resource_version: delete it only when unchanged since then.

        Raises:
            Conflict: a precondition does not hold.
        """
        body = delete_options(uid=uid, resource_version=resource_version)
        try:
            answer = await self._request("DELETE", path_of(kind, namespace, name), body=body)
        except NotFound as error:
            self._cache.forget_not_found(error, kind, namespace, name, uid)
            return
        # The answer may come after the watch event of the deletion: the object must not be cached again.
        if still_exists(kind, answer):
            self._record(answer)
        else:
            self._cache.forget(kind, namespace, name, uid)

    async def delete_object(self, manifest: Manifest) -> None:
        """Delete this very object; that it is gone already is fine."""
        metadata = manifest["metadata"]
        await self.delete(manifest["kind"], metadata.get("namespace"), metadata["name"], uid=metadata["uid"])

    async def delete_collection(self, kind: str, namespace: str, selector: str) -> None:
        """Delete the objects of a kind in a namespace that a label selector matches; there may be none."""
        await self._request(
            "DELETE", path_of(kind, namespace), query={"labelSelector": selector}, body=delete_options()
        )

    async def write_status(self, resource: Resource[Any, Any], status: Status) -> bool:
        """Write the status of a custom resource; return whether it differed from the present one.

        Only a status computed from the newest version is written: an older view never undoes a newer one.

        Raises:
            Conflict: the resource was changed meanwhile.
            NotFound: it is gone.
        """
        wanted, present = status.to_api(), self._status_of(resource)
        if wanted == present:
            return False
        gone = {key: None for key in present if key not in wanted}
        metadata = resource.metadata
        try:
            written = await self._request(
                "PATCH",
                path_of(resource.KIND, metadata.namespace, metadata.name) + "/status",
                query=_FIELD_MANAGER,
                body={
                    "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
                    "status": wanted | gone,
                },
                content_type=MERGE_PATCH,
            )
        except NotFound as error:
            self._cache.forget_not_found(error, resource.KIND, metadata.namespace, metadata.name, metadata.uid)
            raise
        self._record(written)
        return True

    def _status_of(self, resource: Resource[Any, Any]) -> Manifest:
        """Return the status that this version of a resource has in Kubernetes; its model may have a newer one."""
        metadata = resource.metadata
        known = self._cache.manifest(resource.KIND, metadata.uid)
        if known and known["metadata"]["resourceVersion"] == metadata.resource_version:
            return known.get("status") or {}
        return resource.status.to_api() if resource.status else {}

    async def apply_owner(self, resource: Resource[Any, Any], owner: Resource[Any, Any]) -> Manifest:
        """Make `owner` the controller of a resource that others created; nothing else of it is changed."""
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
        elif END_REQUESTED_ANNOTATION not in (metadata.get("annotations") or {}):
            requested = {"annotations": {END_REQUESTED_ANNOTATION: format_time(datetime.now(UTC))}}
            await self._merge_patch(pod, {"metadata": requested, "spec": {"activeDeadlineSeconds": 1}})

    async def merge_patch(self, kind: str, namespace: str | None, name: str, patch: Manifest) -> Manifest:
        """Merge-patch an object, for the few fields that server-side apply cannot express (finalizers)."""
        return self._record(
            await self._request(
                "PATCH",
                path_of(kind, namespace, name),
                query=_FIELD_MANAGER,
                body=patch,
                content_type=MERGE_PATCH,
            )
        )

    async def _merge_patch(self, manifest: Manifest, patch: Manifest) -> None:
        metadata = manifest["metadata"]
        try:
            await self.merge_patch(
                manifest["kind"],
                metadata.get("namespace"),
                metadata["name"],
                {**patch, "metadata": {**patch.get("metadata", {}), "uid": metadata["uid"]}},
            )
        except NotFound as error:
            kind, namespace, name = manifest["kind"], metadata.get("namespace"), metadata["name"]
            self._cache.forget_not_found(error, kind, namespace, name, metadata["uid"])

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
            follow: whether to wait for further lines.
            since_time: RFC 3339; only lines from then on (whole seconds are what the kubelet promises).
            idle_timeout: seconds without a byte after which TimeoutError is raised: the connection may have died.
        """
        query = {"container": container, "timestamps": "true", "follow": "true" if follow else "false"}
        if since_time:
            query["sinceTime"] = since_time
        path = path_of("Pod", namespace, name) + "/log"
        # The kubelet begins its answer with the first line, whenever that is printed.
        head_timeout = idle_timeout if follow else None
        async with self._client.stream(path, query, idle_seconds=idle_timeout, head_seconds=head_timeout) as stream:
            yield stream

    def _record(self, manifest: Manifest) -> Manifest:
        self._cache.record(manifest)
        return manifest

    async def _request(self, method: str, path: str, **how: Any) -> Manifest:
        if method != "GET" and not self._may_write():
            raise NotLeading
        return await self._client.call(method, path, **how)


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Await calls that do not depend on each other, all to their end, and then raise the first error, if any."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers

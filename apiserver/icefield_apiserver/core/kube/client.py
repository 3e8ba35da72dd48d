"""Typed calls on custom resources; writes impersonate the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from icefield_crds.meta import Resource
from icefield_crds.names import API_VERSION
from icefield_kube.client import MERGE_PATCH, KubeClient, delete_options, still_exists
from icefield_kube.paths import path_of

from .impersonation import Impersonation

R = TypeVar("R", bound=Resource[Any, Any])

_CREATED_METADATA = ("name", "generateName", "namespace", "labels", "annotations", "ownerReferences")


class ResourceClient(KubeClient):
    """The API server's client: reads as itself, writes custom resources as the caller.

    Every method raises icefield_kube.errors.KubernetesError when Kubernetes refuses.
    """

    async def get(self, model: type[R], namespace: str | None, name: str) -> R:
        """Read one resource from the Kubernetes API itself."""
        return model.model_validate(await self.call("GET", path_of(model.KIND, namespace, name)))

    async def create(self, resource: R, impersonation: Impersonation) -> R:
        """Create a resource as the caller; metadata may carry generateName instead of a name."""
        body = {**resource.to_api(), "apiVersion": API_VERSION, "kind": resource.KIND}
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key in _CREATED_METADATA and value}
        body.pop("status", None)
        path = path_of(resource.KIND, resource.metadata.namespace)
        created = await self.call("POST", path, body=body, headers=impersonation.headers)
        return type(resource).model_validate(created)

    async def patch(
        self, model: type[R], namespace: str | None, name: str, patch: Mapping[str, Any], impersonation: Impersonation
    ) -> R:
        """Apply a JSON merge patch (RFC 7386) as the caller."""
        path = path_of(model.KIND, namespace, name)
        patched = await self.call("PATCH", path, body=patch, content_type=MERGE_PATCH, headers=impersonation.headers)
        return model.model_validate(patched)

    async def delete(
        self, model: type[R], namespace: str | None, name: str, uid: str, impersonation: Impersonation
    ) -> R | None:
        """Delete a resource as the caller, and in the background what it owns; only if it still has this uid.

        Returns:
            The resource where it waits for a finalizer; None once it is gone.
        """
        path = path_of(model.KIND, namespace, name)
        answer = await self.call("DELETE", path, body=delete_options(uid=uid), headers=impersonation.headers)
        return model.model_validate(answer) if still_exists(model.KIND, answer) else None

    async def delete_unchanged(self, resource: R, impersonation: Impersonation) -> None:
        """Delete this version of a resource, and in the background what it owns.

        Raises:
            Conflict: it was changed since.
            NotFound: it is gone.
        """
        metadata = resource.metadata
        path = path_of(resource.KIND, metadata.namespace, metadata.name)
        options = delete_options(uid=metadata.uid, resource_version=metadata.resource_version)
        await self.call("DELETE", path, body=options, headers=impersonation.headers)

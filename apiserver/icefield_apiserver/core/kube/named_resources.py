"""The custom resources of one kind inside a workspace, addressed as REST does: by public id, name or display name.

Reads come from the watch cache and fall back to the Kubernetes API; writes are made as the caller (impersonation).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from icefield_apiserver.core.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.core.pagination import Page, Window
from icefield_crds.meta import Resource
from icefield_crds.names import namespace_of, slugify

from .cluster import Cluster
from .impersonation import Impersonation
from .indexes import display_name_group, display_name_of
from .pages import page_of

R = TypeVar("R", bound=Resource[Any, Any])
T = TypeVar("T")


class ResourceFinder(ABC, Generic[R]):
    """Finds the resources of one kind in a workspace, wherever they are kept.

    Args:
        model: the kind.
    """

    def __init__(self, model: type[R]) -> None:
        self._kind = model.KIND.lower()

    async def get(self, workspace: str, id_or_name: str) -> R:
        """Return the resource with this public id, metadata.name or display name.

        Args:
            workspace: slug of the workspace.
            id_or_name: what the caller wrote in the URL.

        Raises:
            NotFound: the workspace has none.
        """
        if (found := await self.find(workspace, id_or_name)) is None:
            raise NotFound(f"There is no {self._kind} {id_or_name} in workspace {workspace}.")
        return found

    @abstractmethod
    async def find(self, workspace: str, id_or_name: str) -> R | None:
        """Return the resource that `get` does, or None."""


class NamedResources(ResourceFinder[R]):
    """Finds, lists and writes the resources of one namespaced kind.

    A kind with a `spec.displayName` is found by that too, and no two resources of a workspace may share one.

    Args:
        cluster: writes go through it.
        model: the kind.
    """

    def __init__(self, cluster: Cluster, model: type[R]) -> None:
        super().__init__(model)
        self._cluster = cluster
        self._cache = cluster.cache(model)
        self._public_id = re.compile(rf"{model.ID_PREFIX}_[0-9a-f]{{12}}")

    async def find(self, workspace: str, id_or_name: str) -> R | None:
        """Return the resource with this public id, metadata.name or display name, or None."""
        namespace = namespace_of(workspace)
        if self._public_id.fullmatch(id_or_name):
            return await self._cache.find_by_public_id(namespace, id_or_name)
        return self._find_cached(namespace, id_or_name) or await self._find_live(namespace, id_or_name)

    def find_cached(self, workspace: str, id_or_name: str) -> R | None:
        """Return the resource with this public id, metadata.name or display name if the watch cache has it, or None."""
        namespace = namespace_of(workspace)
        if self._public_id.fullmatch(id_or_name):
            return self._cache.store.by_public_id(namespace, id_or_name)
        return self._find_cached(namespace, id_or_name)

    def current(self, uid: str) -> R | None:
        """Return the newest known version of the resource with this metadata.uid; None when it was deleted."""
        return self._cache.store.by_uid(uid)

    def page(
        self,
        workspace: str,
        window: Window,
        shape: Callable[[R], T],
        where: Callable[[R], bool] = lambda _: True,
        group: str | None = None,
    ) -> Page[T]:
        """Return a page of the workspace's resources, in the order of the kind.

        Args:
            workspace: slug of the workspace.
            window: which part.
            shape: makes a row of a resource.
            where: which resources are rows at all.
            group: another group of the store than the whole workspace (see indexes).
        """
        return page_of(self._cache.store, group or namespace_of(workspace), window, shape, where)

    def check_name_is_free(self, workspace: str, name: str, renamed: R | None = None) -> None:
        """Refuse a name or display name that another resource of the workspace has.

        Args:
            workspace: slug of the workspace.
            name: the name wanted.
            renamed: the resource that gets the name; its own names are free for it.

        Raises:
            Conflict: the name is taken.
        """
        found = self._find_cached(namespace_of(workspace), name)
        if found and (renamed is None or found.metadata.uid != renamed.metadata.uid):
            raise Conflict(f"A {self._kind} named {name} already exists in workspace {workspace}.")

    async def create(self, resource: R, impersonation: Impersonation) -> R:
        """Create a resource as the caller.

        Raises:
            Conflict: the workspace has one of this metadata.name.
            Forbidden: the caller's role does not permit it.
        """
        return await self._cluster.create(resource, impersonation)

    async def patch(self, resource: R, patch: Mapping[str, Any], impersonation: Impersonation) -> R:
        """Apply a JSON merge patch (RFC 7386) as the caller, whatever version the resource has by now."""
        return await self._cluster.patch(resource, patch, impersonation)

    async def update(
        self, resource: R, spec_patch: Callable[[R], Awaitable[Mapping[str, Any]]], impersonation: Impersonation
    ) -> R:
        """Patch a resource's spec as the caller; when someone else changed it meanwhile, read it and compute again.

        Args:
            resource: the version known to the caller.
            spec_patch: returns the JSON merge patch of the spec for a version; empty when nothing is to be changed.
            impersonation: as whom.

        Raises:
            Conflict: others changed it each time.
            NotFound: it was deleted meanwhile.
        """
        return await self._cluster.update(resource, spec_patch, impersonation)

    async def delete(self, resource: R, impersonation: Impersonation) -> None:
        """Delete a resource as the caller, and in the background what it owns."""
        await self._cluster.delete(resource, impersonation)

    def _find_cached(self, namespace: str, name: str) -> R | None:
        store = self._cache.store
        same_display_name = store.walk(display_name_group(namespace, name))
        return store.get(namespace, name) or next((resource for _, resource in same_display_name), None)

    async def _find_live(self, namespace: str, name: str) -> R | None:
        for candidate in _metadata_names(name):
            found = await self._cache.find(namespace, candidate)
            if found and name in (found.metadata.name, display_name_of(found)):
                return found
        return None


def slug_for(name: str) -> str:
    """Return the metadata.name for a name that a caller chose.

    Raises:
        BadRequest: it has no letter or digit to make one of.
    """
    try:
        return slugify(name)
    except ValueError as error:
        raise BadRequest(f"Field name: {error}.") from error


def _metadata_names(name: str) -> list[str]:
    """Return the metadata.name that a resource with this name or display name may have."""
    try:
        return list(dict.fromkeys((name, slugify(name))))
    except ValueError:
        return [name]

"""The cluster as the API server sees it: a watch cache per kind to read from, and writes made as the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar, cast

from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import Forbidden, Unavailable
from icefield_crds import ConditionType, Flavor, Job, Run, Warehouse, Workspace
from icefield_crds.meta import Resource
from icefield_crds.names import workspace_of

from . import orders
from .cache import WatchCache
from .client import MERGE_PATCH, KubeClient, path_of
from .impersonation import Impersonation
from .refusals import in_words
from .store import Store

R = TypeVar("R", bound=Resource[Any, Any])

MAX_SILENCE_SECONDS = 90.0
"""From here on what the caches say may be too old to be served."""


class Workspaces:
    """The Workspaces there are (identity.membership.WorkspaceDirectory)."""

    def __init__(self, store: Store[Workspace]) -> None:
        self._store = store

    def get(self, slug: str) -> Workspace | None:
        """Return the workspace of this name."""
        return self._store.get(None, slug)

    def all(self) -> Iterable[Workspace]:
        """Return every workspace."""
        return self._store.all()


class Cluster:
    """Reads from watch caches, writes as the caller.

    Args:
        client: the process's own identity; it reads everything and impersonates to write.
    """

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self.workspaces = WatchCache(client, Workspace, orders.WORKSPACES)
        self.flavors = WatchCache(client, Flavor, orders.FLAVORS)
        self.jobs = WatchCache(client, Job, orders.JOBS)
        self.runs = WatchCache(client, Run, orders.RUNS)
        self.warehouses = WatchCache(client, Warehouse, orders.WAREHOUSES)
        self._caches: dict[type[Resource[Any, Any]], WatchCache[Any]] = {
            cache.model: cache for cache in (self.workspaces, self.flavors, self.jobs, self.runs, self.warehouses)
        }

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Connect and keep the caches true for as long as the context lasts; see `wait_until_synced`."""
        client = await KubeClient.connect()
        cluster = cls(client)
        watches = [asyncio.create_task(cache.run()) for cache in cluster._caches.values()]
        try:
            yield cluster
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await client.close()

    @property
    def workspace_directory(self) -> Workspaces:
        """The Workspaces, as identity asks for them."""
        return Workspaces(self.workspaces.store)

    @property
    def run_directory(self) -> Store[Run]:
        """The Runs, as identity asks for them."""
        return self.runs.store

    async def wait_until_synced(self) -> None:
        """Return once every cache was filled."""
        for cache in self._caches.values():
            await cache.wait_until_synced()

    def problem(self) -> str | None:
        """Say in a sentence why the caches cannot be relied on, or return None."""
        for cache in self._caches.values():
            if not cache.is_synced:
                return f"The list of {cache.model.PLURAL} was not read yet."
            if (silence := cache.silence_seconds) > MAX_SILENCE_SECONDS:
                return f"Kubernetes was not heard of about {cache.model.PLURAL} for {silence:.0f} seconds."
        return None

    async def create(self, resource: R, impersonation: Impersonation) -> R:
        """Create a resource as somebody; it can be read here at once.

        Raises:
            ApiError: Kubernetes refused, in words for the caller.
        """
        with self._in_words(resource, "create", impersonation):
            created = await self.client.create(resource, impersonation)
        self._cache(type(resource)).store.put(created)
        return created

    async def patch(self, resource: R, patch: Mapping[str, Any], impersonation: Impersonation) -> R:
        """Apply a JSON merge patch (RFC 7386) as somebody; it can be read here at once."""
        meta, model = resource.metadata, type(resource)
        with self._in_words(resource, "update", impersonation):
            patched = await self.client.patch(model, meta.namespace, meta.name, patch, impersonation)
        self._cache(model).store.put(patched)
        return patched

    async def annotate(self, resource: R, annotations: Mapping[str, str]) -> R:
        """Set annotations of a resource as this process itself; Kubernetes lets it set very few."""
        meta, model = resource.metadata, type(resource)
        body = {"metadata": {"annotations": dict(annotations)}}
        path = path_of(model, meta.namespace, meta.name)
        answer = await self.client.call("PATCH", path, body=body, content_type=MERGE_PATCH)
        annotated = model.model_validate(answer)
        self._cache(model).store.put(annotated)
        return annotated

    async def delete(self, resource: R, impersonation: Impersonation) -> None:
        """Delete a resource as somebody, and in the background what it owns. One that is gone already is no error."""
        meta, model = resource.metadata, type(resource)
        with self._in_words(resource, "delete", impersonation):
            try:
                await self.client.delete(model, meta.namespace, meta.name, meta.uid, impersonation)
            except ApiException as error:
                if error.status != 404:
                    raise
        if not meta.finalizers:
            self._cache(model).store.remove(meta.uid)

    @contextmanager
    def _in_words(self, resource: Resource[Any, Any], verb: str, impersonation: Impersonation) -> Iterator[None]:
        meta = resource.metadata
        try:
            with in_words(type(resource), verb, meta.namespace, meta.name, impersonation):
                yield
        except Forbidden as error:
            slug = workspace_of(meta.namespace or "")
            workspace = self.workspaces.store.get(None, slug) if slug else None
            if workspace and workspace.status and not workspace.status.is_true(ConditionType.READY):
                # Its role bindings may not be there yet: the role has not been asked.
                raise Unavailable(f"Workspace {slug} is still being set up; try again shortly.") from error
            raise

    def _cache(self, model: type[R]) -> WatchCache[R]:
        return cast(WatchCache[R], self._caches[model])

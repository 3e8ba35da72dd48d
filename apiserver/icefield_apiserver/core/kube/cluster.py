"""The cluster: a watch cache per kind to read from, and writes made as the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self, TypeVar, cast

from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_attempt, wait_random

from icefield_apiserver.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from icefield_crds import ConditionType, Flavor, Run, Workspace
from icefield_crds.meta import Resource
from icefield_crds.names import workspace_of
from icefield_crds.stored_size import size_problem, stored_size
from icefield_kube.client import MERGE_PATCH
from icefield_kube.errors import Conflict as KubernetesConflict
from icefield_kube.errors import NotFound as KubernetesNotFound
from icefield_kube.paths import path_of

from .cache import WatchCache
from .client import ResourceClient
from .errors import api_errors
from .impersonation import Impersonation
from .indexes import CORE_KINDS
from .merge_patch import merged
from .store import WatchedKind
from .workspaces import WorkspaceDirectory

R = TypeVar("R", bound=Resource[Any, Any])

UPDATE_ATTEMPTS = 5
"""How many versions of a resource one update is computed from before the caller gets 409."""

_LONGEST_PAUSE_SECONDS = 0.05
MAX_SILENCE_SECONDS = 90.0
"""After this long without an event or list, a cache may be too old to be served."""


class Cluster:
    """Reads from watch caches, writes as the caller.

    Args:
        client: the process's own identity; it reads everything and impersonates to write.
        watched: the kinds of the features, besides indexes.CORE_KINDS.
    """

    def __init__(self, client: ResourceClient, watched: Iterable[WatchedKind[Any]] = ()) -> None:
        self.client = client
        self._caches: dict[type[Resource[Any, Any]], WatchCache[Any]] = {
            kind.model: WatchCache(client, kind.model, kind.indexing) for kind in (*CORE_KINDS, *watched)
        }

    @classmethod
    @asynccontextmanager
    async def open(cls, watched: Iterable[WatchedKind[Any]] = ()) -> AsyncIterator[Self]:
        """Connect and keep the caches up to date while the context lasts; see `wait_until_synced`."""
        client = await ResourceClient.connect()
        cluster = cls(client, watched)
        reflectors = [asyncio.create_task(cache.reflector.run()) for cache in cluster._caches.values()]
        try:
            yield cluster
        finally:
            for reflector in reflectors:
                reflector.cancel()
            await asyncio.gather(*reflectors, return_exceptions=True)
            await client.close()

    def cache(self, model: type[R]) -> WatchCache[R]:
        """Return the watch cache of a kind.

        Raises:
            KeyError: the kind is not watched.
        """
        return cast(WatchCache[R], self._caches[model])

    @property
    def workspaces(self) -> WatchCache[Workspace]:
        """The watch cache of Workspaces."""
        return self.cache(Workspace)

    @property
    def flavors(self) -> WatchCache[Flavor]:
        """The watch cache of Flavors."""
        return self.cache(Flavor)

    @property
    def runs(self) -> WatchCache[Run]:
        """The watch cache of Runs."""
        return self.cache(Run)

    @property
    def workspace_directory(self) -> WorkspaceDirectory:
        """The Workspaces, by slug or id."""
        return WorkspaceDirectory(self.workspaces.store)

    async def wait_until_synced(self) -> None:
        """Return once every kind was listed."""
        for cache in self._caches.values():
            await cache.reflector.wait_until_synced()

    def problem(self) -> str | None:
        """Return why the caches may be out of date, as a sentence; None when they are current."""
        for cache in self._caches.values():
            if not cache.reflector.is_synced:
                return f"The {cache.model.PLURAL} have not been listed yet."
            if (silence := cache.reflector.silence_seconds) > MAX_SILENCE_SECONDS:
                return f"No watch event for {cache.model.PLURAL} in {silence:.0f} s."
        return None

    async def create(self, resource: R, impersonation: Impersonation) -> R:
        """Create a resource as the caller; the cache has it at once.

        Raises:
            BadRequest: it is larger than the cluster can store.
            Conflict: nothing can run in its workspace before somebody changes something.
            ApiError: Kubernetes refused.
        """
        _check_size(resource)
        self._check_workspace(resource)
        with self._api_errors(resource, "create", impersonation):
            created = await self.client.create(resource, impersonation)
        self.cache(type(resource)).store.put(created)
        return created

    async def patch(self, resource: R, patch: Mapping[str, Any], impersonation: Impersonation) -> R:
        """Apply a JSON merge patch (RFC 7386) as the caller; the cache has it at once."""
        meta, model = resource.metadata, type(resource)
        with self._api_errors(resource, "update", impersonation):
            patched = await self.client.patch(model, meta.namespace, meta.name, patch, impersonation)
        self.cache(model).store.put(patched)
        return patched

    async def update(
        self, resource: R, spec_patch: Callable[[R], Awaitable[Mapping[str, Any]]], impersonation: Impersonation
    ) -> R:
        """Patch a resource's spec as the caller; when it was changed meanwhile, read it and compute the patch again.

        Args:
            resource: the version known to the caller.
            spec_patch: returns the JSON merge patch of the spec for a version; empty when nothing is to be changed.
            impersonation: as whom.

        Raises:
            BadRequest: it becomes larger than the cluster can store.
            Conflict: others changed it each time.
            NotFound: it was deleted meanwhile.
        """
        current = resource
        attempts = AsyncRetrying(
            stop=stop_after_attempt(UPDATE_ATTEMPTS),
            wait=wait_random(0, _LONGEST_PAUSE_SECONDS),
            retry=retry_if_exception(_is_version_conflict),
        )
        try:
            async for attempt in attempts:
                with attempt:
                    if attempt.retry_state.attempt_number > 1:
                        current = await self._read_again(current)
                    if not (patch := await spec_patch(current)):
                        return current
                    _check_growth(current, patch)
                    version = {"resourceVersion": current.metadata.resource_version}
                    return await self.patch(current, {"metadata": version, "spec": patch}, impersonation)
        except RetryError as error:
            raise Conflict(f"{_title(resource)} was changed by others at the same time; try again.") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def annotate(self, resource: R, annotations: Mapping[str, str]) -> R:
        """Set annotations of a resource as this process itself; Kubernetes lets it set very few."""
        meta, model = resource.metadata, type(resource)
        body = {"metadata": {"annotations": dict(annotations)}}
        path = path_of(model.KIND, meta.namespace, meta.name)
        patched = await self.client.call("PATCH", path, body=body, content_type=MERGE_PATCH)
        annotated = model.model_validate(patched)
        self.cache(model).store.put(annotated)
        return annotated

    async def delete(self, resource: R, impersonation: Impersonation) -> None:
        """Delete a resource as the caller, and in the background what it owns; no error if it is deleted already."""
        meta, model = resource.metadata, type(resource)
        left = None
        with self._api_errors(resource, "delete", impersonation), suppress(KubernetesNotFound):
            left = await self.client.delete(model, meta.namespace, meta.name, meta.uid, impersonation)
        store = self.cache(model).store
        if left is None:
            store.remove(meta.uid)
        else:
            store.put(left)

    @contextmanager
    def _api_errors(self, resource: Resource[Any, Any], verb: str, impersonation: Impersonation) -> Iterator[None]:
        meta = resource.metadata
        try:
            with api_errors(type(resource), verb, meta.namespace, meta.name, impersonation):
                yield
        except Forbidden as error:
            slug = workspace_of(meta.namespace or "")
            workspace = self.workspaces.store.get(None, slug) if slug else None
            if workspace and workspace.status and not workspace.status.is_true(ConditionType.READY):
                # Its role bindings may not exist yet: this says nothing about the role.
                raise Unavailable(f"Workspace {slug} is still being set up; try again shortly.") from error
            raise

    def _check_workspace(self, resource: Resource[Any, Any]) -> None:
        slug = workspace_of(resource.metadata.namespace or "")
        workspace = self.workspaces.store.get(None, slug) if slug else None
        if workspace and (blocked := workspace.blocked):
            raise Conflict(f"{blocked[0].upper()}{blocked[1:]}.")

    async def _read_again(self, resource: R) -> R:
        meta = resource.metadata
        fresh = await self.cache(type(resource)).read(meta.namespace, meta.name)
        if fresh is None or fresh.metadata.uid != meta.uid:
            raise NotFound(f"{_title(resource)} was deleted.")
        return fresh


def _check_size(resource: Resource[Any, Any]) -> None:
    if problem := size_problem(resource):
        raise BadRequest(f"{problem[0].upper()}{problem[1:]}.")


def _check_growth(before: Resource[Any, Any], spec_patch: Mapping[str, Any]) -> None:
    after = type(before).model_validate(merged(before.to_api(), {"spec": spec_patch}))
    # What kubectl has made too large can still be made smaller.
    if stored_size(after) > stored_size(before):
        _check_size(after)


def _title(resource: Resource[Any, Any]) -> str:
    return f"{resource.KIND} {resource.metadata.name}"


def _is_version_conflict(error: BaseException) -> bool:
    return isinstance(error, KubernetesConflict)

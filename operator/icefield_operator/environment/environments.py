"""Has environments built, each once for all that want it, and tells who waits when that has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from cachetools import LRUCache

from icefield_crds import labels, names
from icefield_kube.client import Manifest
from icefield_kube.errors import AlreadyExists, KubernetesError
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.queue import Key

from . import build
from .build import Environment, EnvironmentSettings
from .decide import BUILDING, Step, decide

MAX_KNOWN = 10_000
"""Environments that are known to be stored."""


class Preparation(NamedTuple):
    """Whether an environment can be used; when neither is set, it can."""

    waits: str | None = None
    """What it waits for."""
    failure: str | None = None
    """Why there will be none."""


READY = Preparation()


class Environments:
    """The environments of all workspaces."""

    def __init__(
        self, cluster: Cluster, cache: ClusterCache, store: Callable[[], ObjectStore], settings: EnvironmentSettings
    ) -> None:
        """Initialize.

        Args:
            cluster: where builders run.
            cache: the snapshot that has them.
            store: returns the platform's bucket.
            settings: what environments are built with.
        """
        self._cluster = cluster
        self._cache = cache
        self._store = store
        self.settings = settings
        self._stored: LRUCache[str, bool] = LRUCache(MAX_KNOWN)
        self._waiting: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        """Who waits, by namespace and name of the builder."""

    async def prepare(self, environment: Environment, wanted_by: Key, requested_at: datetime | None) -> Preparation:
        """Have an environment built unless it is there; return how it stands.

        Args:
            environment: which.
            wanted_by: enqueued when the builder changes.
            requested_at: since when it is wanted: a failure before that is tried again.
        """
        place = names.namespace_of(environment.workspace), environment.builder
        try:
            is_stored = await self._is_stored(environment)
            decision = decide(is_stored=is_stored, builder=self._cache.pod(*place), requested_at=requested_at)
            if decision.step is Step.USE:
                await self._delete_builder(place)
                return READY
            if decision.step is Step.FAIL:
                return Preparation(failure=decision.message)
            self._waiting[place].add(wanted_by)
            if decision.step is Step.DISCARD:
                await self._delete_builder(place)
            elif decision.step is Step.BUILD:
                await self._create(environment)
        except (KubernetesError, ObjectStoreError) as error:
            return Preparation(waits=f"{BUILDING}: {error}")
        return Preparation(waits=decision.message)

    def waiting_for(self, pod: Manifest) -> Iterator[Key]:
        """Yield who waits for what a pod builds; once, as each asks again."""
        if (pod["metadata"].get("labels") or {}).get(labels.COMPONENT) == labels.ENVIRONMENT_COMPONENT:
            yield from self._waiting.pop((pod["metadata"]["namespace"], pod["metadata"]["name"]), ())

    async def _is_stored(self, environment: Environment) -> bool:
        if environment.key not in self._stored and await self._store().exists(environment.key):
            self._stored[environment.key] = True
        return environment.key in self._stored

    async def _delete_builder(self, place: tuple[str, str]) -> None:
        if pod := self._cache.pod(*place):
            await self._cluster.delete_object(pod)

    async def _create(self, environment: Environment) -> None:
        try:
            await self._cluster.create(build.builder(environment, self.settings))
        except AlreadyExists:
            return  # the watch will show it

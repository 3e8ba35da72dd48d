"""Deletes what ended runs needed besides their pods: their tokens, files and policies, of many runs at once."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from icefield_crds import Run, labels
from icefield_kube.client import Manifest
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind, owners

log = logging.getLogger(__name__)

KINDS = frozenset({"Secret", "ConfigMap", "NetworkPolicy"})
"""What PodProvisioner.prerequisites makes."""
EACH_SECONDS = 5.0
"""How often what has ended meanwhile is cleaned up."""
RUNS_AT_ONCE = 50
"""As many uids as a URL has room for."""
SEARCH_SECONDS = 600.0
"""How often everything is looked through: an operator may have ended between the end of a run and the deletion."""


class Leftovers:
    """Deletes the prerequisites of ended runs, with a few calls for all of them, and looks for forgotten ones."""

    def __init__(self, cluster: Cluster, cache: ClusterCache) -> None:
        """Delete in this cluster."""
        self._cluster = cluster
        self._cache = cache
        self._ended: dict[tuple[str, str], set[str]] = defaultdict(set)
        """uids of runs that have ended, by kind of what they may have left and namespace."""

    def add(self, run: Run, kinds: Iterable[str] = KINDS) -> None:
        """Have what an ended run has of these kinds deleted soon."""
        for kind in kinds:
            self._ended[kind, run.metadata.namespace or ""].add(run.metadata.uid)

    async def run(self) -> None:
        """Delete until cancelled; what fails is tried again."""
        loop = asyncio.get_running_loop()
        search_at = loop.time()
        while True:
            if loop.time() >= search_at:
                search_at = loop.time() + SEARCH_SECONDS
                await self._tolerate(self.search)
            await self._tolerate(self.delete)
            await asyncio.sleep(EACH_SECONDS)

    async def delete(self) -> None:
        """Delete what was added.

        Raises:
            KubernetesError: some of it was refused; everything was tried.
        """
        await _one_by_one(self._delete_of(kind, namespace) for kind, namespace in list(self._ended))

    async def search(self) -> None:
        """Delete what belongs to runs that have ended by now, whoever ended them.

        Raises:
            KubernetesError: some of it was refused; everything was tried.
        """
        await _one_by_one(self._search_kind(kind) for kind in sorted(KINDS))

    async def _tolerate(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except KubernetesError as error:
            log.warning("What ended runs have left is not deleted yet: %s", error)

    async def _delete_of(self, kind: str, namespace: str) -> None:
        uids = self._ended[kind, namespace]
        while uids:
            batch = sorted(uids)[:RUNS_AT_ONCE]
            await self._cluster.delete_collection(kind, namespace, f"{labels.RUN_UID} in ({','.join(batch)})")
            uids.difference_update(batch)
        self._ended.pop((kind, namespace), None)

    async def _search_kind(self, kind: str) -> None:
        found = [m["metadata"] async for m in self._cluster.metadata_of(kind, labels.RUN) if self._is_left(m)]
        await _one_by_one(
            self._cluster.delete(kind, metadata["namespace"], metadata["name"], uid=metadata["uid"])
            for metadata in found
        )

    def _is_left(self, manifest: Manifest) -> bool:
        """Return whether every run that owns it has ended; what an unknown one owns is the garbage collector's."""
        namespace = manifest["metadata"]["namespace"]
        found = [(self._cache.run(namespace, name), uid) for name, uid in owners(manifest, Kind.RUN)]
        return bool(found) and all(run and run.metadata.uid == uid and run.phase.is_terminal for run, uid in found)


async def _one_by_one(calls: Iterable[Awaitable[None]]) -> None:
    """Await calls one after the other, all of them, and then raise the first KubernetesError, if any."""
    first: KubernetesError | None = None
    for call in calls:
        try:
            await call
        except KubernetesError as error:
            first = first or error
    if first is not None:
        raise first

"""Assigns sandboxes of a pool to runs: one patch each, which fails if the pod has changed meanwhile.

There is no other record of which run has which sandbox, so nothing can disagree with it: a restarted operator reads it
from the pods' labels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from icefield_crds import Run, Workspace, labels
from icefield_kube.client import Manifest
from icefield_kube.errors import Conflict, Invalid, NotFound
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind, pod_owner
from icefield_operator.metrics import SANDBOX_CLAIM_CONFLICTS

from . import build, pool_plan
from .pool_plan import Demand

log = logging.getLogger(__name__)


class Claims:
    """Claims sandboxes for runs."""

    def __init__(self, cluster: Cluster, cache: ClusterCache) -> None:
        """Patch pods of this cache; runs older than this process may have sandboxes that it does not show yet."""
        self._cluster = cluster
        self._cache = cache
        self._started = datetime.now(UTC)
        self._verified: dict[tuple[str, str], str] = {}
        """uids of older runs whose pods were listed, by namespace and name."""
        self._unconfirmed: dict[tuple[str, str], str] = {}
        """uids of the runs with a claim whose answer was lost."""
        self._being_claimed: set[str] = set()
        """uids of the sandboxes that are being claimed."""

    async def find(self, run: Run, attempt: int) -> Manifest | None:
        """Return the sandbox that an attempt of a run already has, from the API where a claim may be unnoticed."""
        uid, key = run.metadata.uid, _key(run)
        if known := self._known(uid, attempt):
            return known
        created = run.metadata.creation_timestamp
        is_older = (created is None or created <= self._started) and self._verified.get(key) != uid
        if self._unconfirmed.get(key) != uid and not is_older:
            return None
        found, _ = await self._cluster.list(Kind.POD, run.metadata.namespace, f"{labels.RUN}={run.metadata.name}")
        for pod in found:
            self._cache.record(pod)
        self._unconfirmed.pop(key, None)
        self._verified[key] = uid
        return self._known(uid, attempt)

    async def claim(self, run: Run, attempt: int, workspace: Workspace, wanted: Demand) -> Manifest | None:
        """Claim a sandbox of the pool for an attempt of a run and return it; None when none is available.

        Raises:
            KubernetesError: whether it was claimed is unknown; `find` finds out.
        """
        for pod in self._claimable(workspace, wanted):
            uid = pod["metadata"]["uid"]
            self._being_claimed.add(uid)
            try:
                if claimed := await self._try(pod, run, attempt, workspace, wanted):
                    return claimed
            finally:
                self._being_claimed.discard(uid)
        return None

    async def _try(
        self, pod: Manifest, run: Run, attempt: int, workspace: Workspace, wanted: Demand
    ) -> Manifest | None:
        """Claim one sandbox; retry once if it changed meanwhile and is still available."""
        name, key = pod["metadata"]["name"], _key(run)
        for newest in (pod, None):
            found = newest or await self._reread(pod, workspace, wanted)
            if found is None:
                break
            self._unconfirmed[key] = run.metadata.uid
            patch = build.claim(found, run, workspace, attempt)
            try:
                claimed = await self._cluster.merge_patch(Kind.POD, workspace.namespace, name, patch)
            except (Conflict, NotFound, Invalid) as error:
                # Certain: it was not claimed.
                self._unconfirmed.pop(key, None)
                SANDBOX_CLAIM_CONFLICTS.inc()
                log.info("Sandbox %s/%s was not claimed: %s", workspace.namespace, name, error)
            else:
                self._unconfirmed.pop(key, None)
                return claimed
        return None

    def _known(self, uid: str, attempt: int) -> Manifest | None:
        found = self._cache.pods_of(uid)
        return next((pod for pod in found if pod["metadata"]["labels"][labels.ATTEMPT] == str(attempt)), None)

    async def _reread(self, pod: Manifest, workspace: Workspace, wanted: Demand) -> Manifest | None:
        found = await self._cluster.get(Kind.POD, workspace.namespace, pod["metadata"]["name"])
        if found is None:
            return None
        self._cache.record(found)
        owner = pod_owner(found)
        is_free = owner is not None and owner.uid == workspace.metadata.uid
        return found if is_free and pool_plan.suits(found, wanted, datetime.now(UTC)) else None

    def forget(self, namespace: str, name: str) -> None:
        """Forget a run that ended or was deleted."""
        self._verified.pop((namespace, name), None)
        self._unconfirmed.pop((namespace, name), None)

    def _claimable(self, workspace: Workspace, wanted: Demand) -> Iterator[Manifest]:
        pods = self._cache.pods_of(workspace.metadata.uid)
        for pod in pool_plan.candidates(pods, wanted, datetime.now(UTC)):
            if pod["metadata"]["uid"] not in self._being_claimed:
                yield pod


def _key(run: Run) -> tuple[str, str]:
    return run.metadata.namespace or "", run.metadata.name

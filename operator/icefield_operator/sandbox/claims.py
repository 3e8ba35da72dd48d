"""Gives warm sandboxes to runs: one patch each, which fails when anybody else was first.

There is no other record of who has which sandbox, so nothing can disagree with it: an operator that starts anew reads
it from the pods' labels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from icefield_crds import Run, Workspace, labels
from icefield_operator.cluster import Cluster
from icefield_operator.errors import Conflict, Invalid, NotFound
from icefield_operator.metrics import SANDBOX_CLAIM_CONFLICTS
from icefield_operator.world import Kind, Manifest, World

from . import build, pool
from .pool import Standing

log = logging.getLogger(__name__)


class Claims:
    """Claims sandboxes for runs."""

    def __init__(self, cluster: Cluster, world: World) -> None:
        """Patch in this cluster what this snapshot shows; runs from before now may have sandboxes that it does not."""
        self._cluster = cluster
        self._world = world
        self._began = datetime.now(UTC)
        self._looked: dict[tuple[str, str], str] = {}
        """uids of older runs that were looked for, by namespace and name."""
        self._doubtful: dict[tuple[str, str], str] = {}
        """uids of the runs of which a claim was sent whose answer never came."""
        self._taken: set[str] = set()
        """uids of the sandboxes that are just being claimed."""

    async def held(self, run: Run) -> Manifest | None:
        """Return the sandbox that a run has already, looking for real where a claim may have gone unnoticed."""
        uid, key = run.metadata.uid, _key(run)
        if known := self._world.pods_of(uid):
            return known[0]
        created = run.metadata.creation_timestamp
        is_older = (created is None or created <= self._began) and self._looked.get(key) != uid
        if self._doubtful.get(key) != uid and not is_older:
            return None
        found, _ = await self._cluster.list(Kind.POD, run.metadata.namespace, f"{labels.RUN}={run.metadata.name}")
        for pod in found:
            self._world.record(pod)
        self._doubtful.pop(key, None)
        self._looked[key] = uid
        return next(iter(self._world.pods_of(uid)), None)

    async def claim(self, run: Run, workspace: Workspace, template: str) -> Manifest | None:
        """Return a warm sandbox that from now on is the run's, or None when there is none to be had.

        Raises:
            KubernetesError: whether it was claimed is not known; `held` finds out.
        """
        for pod in self._claimable(workspace, template):
            uid = pod["metadata"]["uid"]
            self._taken.add(uid)
            try:
                if claimed := await self._try(pod, run, workspace, template):
                    return claimed
            finally:
                self._taken.discard(uid)
        return None

    async def _try(self, pod: Manifest, run: Run, workspace: Workspace, template: str) -> Manifest | None:
        """Claim one sandbox; once more when its kubelet, and nobody else, changed it meanwhile."""
        name, key = pod["metadata"]["name"], _key(run)
        for newest in (pod, None):
            found = newest or await self._look_again(pod, workspace, template)
            if found is None:
                break
            self._doubtful[key] = run.metadata.uid
            patch = build.claim(found, run, workspace.metadata.name)
            try:
                claimed = await self._cluster.merge_patch(Kind.POD, workspace.namespace, name, patch)
            except (Conflict, NotFound, Invalid) as error:
                # It was not claimed: that much is sure.
                self._doubtful.pop(key, None)
                SANDBOX_CLAIM_CONFLICTS.inc()
                log.info("Sandbox %s/%s is not to be had: %s", workspace.namespace, name, error)
            else:
                self._doubtful.pop(key, None)
                return claimed
        return None

    async def _look_again(self, pod: Manifest, workspace: Workspace, template: str) -> Manifest | None:
        found = await self._cluster.get(Kind.POD, workspace.namespace, pod["metadata"]["name"])
        if found is None:
            return None
        self._world.record(found)
        is_warm = found in self._world.pods_of(workspace.metadata.uid)
        return found if is_warm and pool.standing_of(found, template, datetime.now(UTC)) is Standing.READY else None

    def forget(self, namespace: str, name: str) -> None:
        """Forget a run that ended or is gone."""
        self._looked.pop((namespace, name), None)
        self._doubtful.pop((namespace, name), None)

    def _claimable(self, workspace: Workspace, template: str) -> Iterator[Manifest]:
        now = datetime.now(UTC)
        pods = self._world.pods_of(workspace.metadata.uid)
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
            if pod["metadata"]["uid"] not in self._taken and pool.standing_of(pod, template, now) is Standing.READY:
                yield pod


def _key(run: Run) -> tuple[str, str]:
    return run.metadata.namespace or "", run.metadata.name

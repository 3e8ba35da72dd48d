"""What depends on all Workspaces: the users that the API server may impersonate, and the bucket policy."""

from __future__ import annotations

import asyncio

from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.objectstore.access import Users

from . import build, resolve


class ClusterPolicies:
    """Applies them; every pass over any Workspace does."""

    def __init__(self, cluster: Cluster, cache: ClusterCache, users: Users) -> None:
        """Initialize for a cluster and its object store."""
        self._cluster = cluster
        self._cache = cache
        self._users = users
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()

    async def apply_impersonator_role(self) -> None:
        """Let the API server act as exactly the roles of the workspaces there are."""
        async with self._lock:
            slugs = [workspace.metadata.name for workspace in resolve.living(self._cache)]
            await self._cluster.apply(build.impersonator(slugs))

    async def apply_bucket_policy(self) -> None:
        """Open to each workspace its prefix of the object store.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self._users.settle(lambda: resolve.with_managed_users(resolve.living(self._cache)))

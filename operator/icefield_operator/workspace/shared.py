"""What is computed from the list of all Workspaces: whom the API server may impersonate, who may open what."""

from __future__ import annotations

import asyncio

from icefield_operator.cluster import Cluster
from icefield_operator.objectstore.access import Users
from icefield_operator.world import World

from . import build, resolve


class Shared:
    """Keeps them up to date; each is asked for by every pass over any Workspace."""

    def __init__(self, cluster: Cluster, world: World, users: Users) -> None:
        """Make one for a cluster and its object store."""
        self._cluster = cluster
        self._world = world
        self._users = users
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()

    async def settle_roles(self) -> None:
        """Let the API server act as exactly the roles of the workspaces there are."""
        async with self._lock:
            slugs = [workspace.metadata.name for workspace in resolve.living(self._world)]
            await self._cluster.apply(build.impersonator(slugs))

    async def settle_policy(self) -> None:
        """Open to each workspace its prefix of the object store.

        Raises:
            ObjectStoreError: the store is away or refuses.
        """
        await self._users.settle(lambda: resolve.with_managed_users(resolve.living(self._world)))

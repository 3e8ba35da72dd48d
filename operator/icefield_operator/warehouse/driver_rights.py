"""Keeps what lets Spark drivers make executors in a workspace, exactly while some warehouse there wants executors."""

from __future__ import annotations

import asyncio

from icefield_operator.cluster import Cluster, together
from icefield_operator.world import World

from . import build


class DriverRights:
    """The account and role of Spark drivers, in every workspace."""

    def __init__(self, cluster: Cluster, world: World) -> None:
        """Make one for a cluster."""
        self._cluster = cluster
        self._world = world
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()
        self._given: dict[str, bool] = {}

    async def settle(self, namespace: str) -> None:
        """Give or take the rights of a namespace, as its warehouses ask for."""
        async with self._lock:
            workspace = self._world.workspace_of_namespace(namespace)
            wanted = any(
                warehouse.spec.spark_executors and not warehouse.metadata.deletion_timestamp
                for warehouse in self._world.warehouses(namespace)
            )
            if workspace is None or self._given.get(namespace) == wanted:
                return
            manifests = build.driver_rights(workspace)
            if wanted:
                await together(*(self._cluster.apply(manifest) for manifest in manifests))
            else:
                names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
                await together(*(self._cluster.delete(kind, namespace, name) for kind, name in names))
            self._given[namespace] = wanted

    def doubt(self, namespace: str) -> None:
        """Have the next `settle` look after what it believes is there."""
        self._given.pop(namespace, None)

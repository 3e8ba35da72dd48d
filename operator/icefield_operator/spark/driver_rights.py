"""Keeps what lets Spark drivers make executors in a workspace, exactly while some driver there is to have executors.

Two accounts with the same role: what they may give executors differs, and the admission policy icefield-spark-boundary
says it. A warehouse's Spark runs SQL that we have read, and reaches the catalog itself; an application runs anything,
and reaches it through our API server only.
"""

from __future__ import annotations

import asyncio

from icefield_crds import Run, Warehouse, Workspace, labels
from icefield_operator.cluster import Cluster, together
from icefield_operator.world import Manifest, World

WAREHOUSES = "icefield-spark"
"""The account of warehouses."""
APPLICATIONS = "icefield-spark-application"
"""The account of Spark applications."""
ROLE = "icefield-spark-driver"
_RBAC = "rbac.authorization.k8s.io"


class DriverRights:
    """The accounts and roles of Spark drivers, in every workspace."""

    def __init__(self, cluster: Cluster, world: World) -> None:
        """Make one for a cluster."""
        self._cluster = cluster
        self._world = world
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()
        self._given: dict[str, dict[str, bool]] = {}

    async def settle(self, namespace: str) -> None:
        """Give or take the rights of a namespace, as its warehouses and Spark applications ask for."""
        async with self._lock:
            workspace = self._world.workspace_of_namespace(namespace)
            if workspace is None:
                return
            wanted = {
                WAREHOUSES: any(map(_wants_executors, self._world.warehouses(namespace))),
                APPLICATIONS: any(map(has_executors, self._world.unfinished_runs(namespace))),
            }
            given = self._given.setdefault(namespace, {})
            for account, is_wanted in wanted.items():
                if given.get(account) != is_wanted:
                    await self._settle_account(workspace, account, is_wanted)
                    given[account] = is_wanted

    def doubt(self, namespace: str) -> None:
        """Have the next `settle` look after what it believes is there."""
        self._given.pop(namespace, None)

    async def _settle_account(self, workspace: Workspace, account: str, is_wanted: bool) -> None:
        children = manifests(workspace, account)
        if is_wanted:
            await together(*(self._cluster.apply(child) for child in children))
        else:
            names = [(child["kind"], child["metadata"]["name"]) for child in children]
            await together(*(self._cluster.delete(kind, workspace.namespace, name) for kind, name in names))


def has_executors(run: Run) -> bool:
    """Say whether a run is a Spark application with executors in pods of their own."""
    return run.spec.spark is not None and run.spec.spark.executors > 0


def _wants_executors(warehouse: Warehouse) -> bool:
    return warehouse.spec.spark_executors is not None and not warehouse.metadata.deletion_timestamp


def manifests(workspace: Workspace, account: str) -> list[Manifest]:
    """Return what lets drivers with this account make executors in a workspace: the account, and its role there."""
    metadata = {
        "name": account,
        "namespace": workspace.namespace,
        "labels": labels.of_workspace_child(workspace.metadata.name),
        "ownerReferences": [workspace.owner_reference.to_api()],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": workspace.namespace}],
        },
    ]

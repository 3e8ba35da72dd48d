"""The RBAC that lets Spark drivers create executors in a workspace, exactly while a driver there needs executors.

Two accounts with the same role: what they may give executors differs, and the admission policy icefield-spark-boundary
enforces it. A warehouse's Spark runs SQL that the API server has analyzed, and reaches the catalog directly; an
application runs any code, and reaches the catalog through the API server only.
"""

from __future__ import annotations

import asyncio

from icefield_crds import Run, Warehouse, Workspace, labels
from icefield_kube.client import Manifest
from icefield_kube.store import GroupCounts
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache, Entry, Kind

WAREHOUSES = "icefield-spark"
"""The account of warehouses."""
APPLICATIONS = "icefield-spark-application"
"""The account of Spark applications."""
ROLE = "icefield-spark-driver"
_RBAC = "rbac.authorization.k8s.io"


class DriverRbac:
    """The accounts and roles of Spark drivers, in every workspace."""

    def __init__(self, cluster: Cluster, cache: ClusterCache) -> None:
        """Initialize for a cluster."""
        self._cluster = cluster
        self._cache = cache
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()
        self._applied: dict[str, dict[str, bool]] = {}
        self._applications: GroupCounts[Entry] = GroupCounts(_namespace_of_application)
        cache.add_index(Kind.RUN, self._applications)

    async def sync(self, namespace: str) -> None:
        """Apply or delete the RBAC of a namespace, as its warehouses and Spark applications require."""
        async with self._lock:
            workspace = self._cache.workspace_of_namespace(namespace)
            if workspace is None:
                return
            wanted = {
                WAREHOUSES: any(map(_wants_executors, self._cache.warehouses(namespace))),
                APPLICATIONS: self._applications.count(namespace) > 0,
            }
            applied = self._applied.setdefault(namespace, {})
            for account, is_wanted in wanted.items():
                if applied.get(account) != is_wanted:
                    await self._sync_account(workspace, account, is_wanted)
                    applied[account] = is_wanted

    def invalidate(self, namespace: str) -> None:
        """Have the next `sync` apply everything again."""
        self._applied.pop(namespace, None)

    async def _sync_account(self, workspace: Workspace, account: str, is_wanted: bool) -> None:
        children = manifests(workspace, account)
        if is_wanted:
            await together(*(self._cluster.apply(child) for child in children))
        else:
            names = [(child["kind"], child["metadata"]["name"]) for child in children]
            await together(*(self._cluster.delete(kind, workspace.namespace, name) for kind, name in names))


def has_executors(run: Run) -> bool:
    """Return whether a run is a Spark application with executors in pods of their own."""
    return run.spec.spark is not None and run.spec.spark.executors > 0


def _namespace_of_application(run: Entry) -> tuple[str, ...]:
    """Return the namespace of an unfinished application with executors."""
    if not run.run or not run.run.is_unfinished:
        return ()
    return (run.identity.namespace,) if (run.manifest["spec"].get("spark") or {}).get("executors") else ()


def _wants_executors(warehouse: Warehouse) -> bool:
    return warehouse.spec.spark_executors is not None and not warehouse.metadata.deletion_timestamp


def manifests(workspace: Workspace, account: str) -> list[Manifest]:
    """Return the account of drivers in a workspace, and its role binding."""
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

"""The RBAC that lets Spark drivers create executors in a workspace, exactly while a driver there needs executors.

Two accounts with the same role: what they may give executors differs, and the admission policy icefield-spark-boundary
enforces it. A warehouse's Spark runs SQL that the API server has analyzed, and reaches the catalog directly; an
application runs any code, and reaches the catalog through the API server only. What is there is looked at with each
pass (children.py), so that what somebody deleted by hand is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from icefield_crds import Run, Warehouse, Workspace, labels
from icefield_kube.client import Manifest
from icefield_kube.store import GroupCounts
from icefield_operator.children import Children
from icefield_operator.cluster import together
from icefield_operator.cluster_cache import ClusterCache, Entry, Kind
from icefield_operator.queue import Key
from icefield_operator.relations import keys_of

WAREHOUSES = "icefield-spark"
"""The account of warehouses."""
APPLICATIONS = "icefield-spark-application"
"""The account of Spark applications."""
ROLE = "icefield-spark-driver"
_RBAC = "rbac.authorization.k8s.io"


class DriverRbac:
    """The accounts and roles of Spark drivers, in every workspace."""

    def __init__(self, children: Children, cache: ClusterCache) -> None:
        """Initialize for the children of a cluster's workspaces."""
        self._children = children
        self._cache = cache
        # One at a time, each computed when it is its turn: a slow older answer must not undo a newer one.
        self._lock = asyncio.Lock()
        self._applications: GroupCounts[Entry] = GroupCounts(_namespace_of_application)
        cache.add_index(Kind.RUN, self._applications)
        children.relate(self._warehouses_of)

    async def sync(self, namespace: str) -> None:
        """Apply or delete the RBAC of a namespace, as its warehouses and Spark applications require.

        Raises:
            TimeoutError: what is there is not known yet.
        """
        await self._children.wait_until_synced()
        async with self._lock:
            workspace = self._cache.workspace_of_namespace(namespace)
            if workspace is None:
                return
            wanted = {
                WAREHOUSES: any(map(self._needs_executors, self._cache.warehouses(namespace))),
                APPLICATIONS: self._applications.count(namespace) > 0,
            }
            for account, is_wanted in wanted.items():
                change = self._children.ensure if is_wanted else self._children.ensure_absent
                await together(*(change(child) for child in manifests(workspace, account)))

    def _needs_executors(self, warehouse: Warehouse) -> bool:
        """Return whether a warehouse wants executors, or still has a pod that may have some: it may be draining."""
        pods = self._cache.pods_of(warehouse.metadata.uid)
        return _wants_executors(warehouse) or any(pod["spec"].get("serviceAccountName") == WAREHOUSES for pod in pods)

    def _warehouses_of(self, child: Manifest) -> Iterator[Key]:
        """Yield the warehouses that need an account or a role binding which somebody changed."""
        if child["metadata"]["name"] == WAREHOUSES and (namespace := child["metadata"].get("namespace")):
            yield from keys_of(self._cache.warehouses(namespace))


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

"""Pure: what a pass over a Warehouse needs of the cached snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from icefield_crds import Flavor, Warehouse, Workspace
from icefield_crds.workspace import DEFAULT_FLAVOR
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import ClusterCache


@dataclass(frozen=True)
class WarehouseFacts:
    """A Warehouse and the resources that it refers to."""

    warehouse: Warehouse
    workspace: Workspace | None
    size: str
    """Name of the flavor of its pod."""
    flavor: Flavor | None
    """That flavor, when it exists."""
    executor_size: str | None
    """Name of the flavor of its Spark executors, when it wants any."""
    executor_flavor: Flavor | None
    known_flavors: Sequence[str] = ()
    """The names of all Flavors."""


def facts(warehouse: Warehouse, cache: ClusterCache) -> WarehouseFacts:
    """Return a Warehouse with the resources that it refers to."""
    workspace = cache.workspace_of_namespace(warehouse.metadata.namespace or "")
    size = warehouse.spec.size or (workspace.spec.default_flavor if workspace else DEFAULT_FLAVOR)
    executors = warehouse.spec.spark_executors
    executor_size = (executors.size or size) if executors else None
    return WarehouseFacts(
        warehouse=warehouse,
        workspace=workspace,
        size=size,
        flavor=cache.flavor(size),
        executor_size=executor_size,
        executor_flavor=cache.flavor(executor_size) if executor_size else None,
        known_flavors=cache.flavor_names(),
    )


def pods_of(warehouse: Warehouse, cache: ClusterCache) -> list[Manifest]:
    """Return the warehouse's pods, by name; its Spark's executors are not among them."""
    return sorted(cache.pods_of(warehouse.metadata.uid), key=lambda pod: str(pod["metadata"]["name"]))

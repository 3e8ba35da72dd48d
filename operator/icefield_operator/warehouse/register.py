"""Registers the Warehouse: passes over it when it, its pod, a Flavor or its Workspace changes."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds import labels
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Kind
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.relations import all_of, in_workspace, owner_of_pod
from icefield_operator.spark.driver_rbac import DriverRbac

from .build import WarehouseImage
from .gateway import GatewayClients
from .reconcile import WarehouseReconciler


def register(platform: Platform) -> None:
    """Plug Warehouses into the controllers."""
    cluster, controllers, settings = platform.cluster, platform.controllers, platform.settings
    cache = controllers.cache
    gateways = GatewayClients(cluster)
    controllers.serve(gateways.run)
    image = WarehouseImage(settings.warehouse_image, settings.image_pull_policy)
    rbac = platform.singleton(DriverRbac, lambda: DriverRbac(platform.children, cache))
    reconciler = WarehouseReconciler(cluster, cache, image, gateways, platform.children, rbac)
    controllers.register(Kind.WAREHOUSE, reconciler.reconcile)
    controllers.relate(Kind.POD, owner_of_pod(Kind.WAREHOUSE))
    controllers.relate(Kind.FLAVOR, all_of(cache.warehouses))
    controllers.relate(Kind.WORKSPACE, in_workspace(cache.warehouses))

    def warehouse_of(child: Manifest) -> Iterator[Key]:
        metadata = child["metadata"]
        namespace, name = metadata.get("namespace", ""), (metadata.get("labels") or {}).get(labels.WAREHOUSE, "")
        if cache.warehouse(namespace, name):
            yield Key(Kind.WAREHOUSE, namespace, name)

    platform.children.relate(warehouse_of)

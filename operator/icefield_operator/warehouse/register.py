"""Registers the Warehouse: passes over it when it, its pod, a Flavor or its Workspace changes."""

from __future__ import annotations

from icefield_operator.cluster_cache import Kind
from icefield_operator.platform import Platform
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
    rbac = platform.singleton(DriverRbac, lambda: DriverRbac(cluster, cache))
    controllers.register(Kind.WAREHOUSE, WarehouseReconciler(cluster, cache, image, gateways, rbac).reconcile)
    controllers.relate(Kind.POD, owner_of_pod(Kind.WAREHOUSE))
    controllers.relate(Kind.FLAVOR, all_of(cache.warehouses))
    controllers.relate(Kind.WORKSPACE, in_workspace(cache.warehouses))

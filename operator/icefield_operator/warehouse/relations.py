"""Which Warehouses an event of something else concerns."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds.names import namespace_of
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest, World, key_of, pod_owner


def register(controllers: Controllers) -> None:
    """Have pods enqueue their Warehouse, and flavors and workspaces those that may be made of them."""
    world = controllers.world
    controllers.relate(Kind.POD, _owner)
    controllers.relate(Kind.FLAVOR, lambda _: _all(world))
    controllers.relate(Kind.WORKSPACE, lambda workspace: _all(world, namespace_of(key_of(workspace)[1])))


def _owner(pod: Manifest) -> Iterator[Key]:
    if (owner := pod_owner(pod)) and owner.kind is Kind.WAREHOUSE:
        yield Key(Kind.WAREHOUSE, pod["metadata"]["namespace"], owner.name)


def _all(world: World, namespace: str | None = None) -> Iterator[Key]:
    for warehouse in world.warehouses(namespace):
        yield Key(Kind.WAREHOUSE, warehouse.metadata.namespace or "", warehouse.metadata.name)

"""Flavors: the sizes that anything can run in. Platform administrators manage them with kubectl."""

from __future__ import annotations

from icefield_apiserver.core.dependencies import CurrentCluster
from icefield_apiserver.core.kube.flavors import flavor_of
from icefield_apiserver.core.kube.pages import page_of
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentCaller
from icefield_crds import Flavor

from .schemas import FlavorView

router = Router(prefix="/flavors", tags=["Flavors"])


@router.get("", summary="List flavors")
async def list_flavors(_: CurrentCaller, cluster: CurrentCluster, window: CurrentWindow) -> Page[FlavorView]:
    """By name."""
    return page_of(cluster.flavors.store, "", window, _view)


@router.get("/{flavor}", summary="Read a flavor")
async def read_flavor(flavor: str, _: CurrentCaller, cluster: CurrentCluster) -> FlavorView:
    """The flavor is named by name or id."""
    return _view(await flavor_of(cluster.flavors, flavor))


def _view(flavor: Flavor) -> FlavorView:
    return FlavorView(
        id=flavor.public_id,
        name=flavor.metadata.name,
        cpu=flavor.spec.cpu,
        memory=flavor.spec.memory,
        gpu=flavor.spec.gpu,
        price_per_hour=flavor.spec.price_per_hour,
    )

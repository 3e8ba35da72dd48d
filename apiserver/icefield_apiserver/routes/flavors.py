"""Flavors: the sizes that anything can run in. Platform administrators manage them with kubectl."""

from __future__ import annotations

from fastapi import APIRouter

from icefield_apiserver.errors import NotFound
from icefield_apiserver.identity.principal import CurrentCaller
from icefield_apiserver.pagination import CurrentWindow, Page, page_of
from icefield_apiserver.schemas.workspaces import FlavorView
from icefield_apiserver.state import CurrentCluster
from icefield_crds import Flavor

router = APIRouter(prefix="/flavors", tags=["Flavors"])


@router.get("", summary="List flavors")
async def list_flavors(_: CurrentCaller, cluster: CurrentCluster, window: CurrentWindow) -> Page[FlavorView]:
    """By name."""
    return page_of(cluster.flavors.store, "", window, _view)


@router.get("/{flavor}", summary="Read a flavor")
async def read_flavor(flavor: str, _: CurrentCaller, cluster: CurrentCluster) -> FlavorView:
    """The flavor is named by name or id."""
    store = cluster.flavors.store
    found = store.by_public_id(None, flavor) or await cluster.flavors.find(None, flavor)
    if found is None:
        raise NotFound(f"There is no flavor called {flavor}.")
    return _view(found)


def _view(flavor: Flavor) -> FlavorView:
    return FlavorView(
        id=flavor.public_id,
        name=flavor.metadata.name,
        cpu=flavor.spec.cpu,
        memory=flavor.spec.memory,
        gpu=flavor.spec.gpu,
        price_per_hour=flavor.spec.price_per_hour,
    )

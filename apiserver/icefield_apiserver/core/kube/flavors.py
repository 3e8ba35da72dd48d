"""Flavors that a request names, which must exist."""

from __future__ import annotations

from collections.abc import Iterable

from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_crds import Flavor
from icefield_crds.problems import describe_missing_flavor

from .cache import WatchCache


async def flavor_of(flavors: WatchCache[Flavor], name_or_id: str) -> Flavor:
    """Return the flavor with this name or public id.

    Raises:
        NotFound: there is none.
    """
    found = flavors.store.by_public_id(None, name_or_id) or await flavors.find(None, name_or_id)
    if found is None:
        raise NotFound(f"There is no flavor {name_or_id}.")
    return found


async def check_flavors_exist(flavors: WatchCache[Flavor], names: Iterable[str]) -> None:
    """Refuse flavors that the platform does not have.

    Raises:
        BadRequest: names the missing flavor, and those that exist.
    """
    for name in names:
        if await flavors.find(None, name) is None:
            missing = describe_missing_flavor(name, (flavor.metadata.name for flavor in flavors.store.all()))
            raise BadRequest(f"{missing[0].upper()}{missing[1:]}.")

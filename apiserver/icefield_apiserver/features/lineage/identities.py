"""Which table or view of the catalog has a name now."""

from __future__ import annotations

from collections.abc import Sequence

from icefield_apiserver.core.catalog import IcebergCatalog, Namespace
from icefield_apiserver.core.catalog.concurrency import map_concurrently
from icefield_apiserver.core.catalog.names import problem_of_name
from icefield_apiserver.core.errors import NotFound
from icefield_sql import TableName

from .neighbours import LineageNeighbour
from .units import Dataset, uuid_of_name

MAX_LOOKED_UP = 100
"""Of how many neighbours it is looked up whether they are there; of the others the record tells."""


async def current_dataset(
    catalog: IcebergCatalog, workspace_uid: str, namespace: Namespace, name: str
) -> Dataset | None:
    """Return the table or view that has a name now; None where there is none.

    Raises:
        ApiError: the catalog is unavailable.
    """
    if problem_of_name(name):
        return None
    shown = TableName(namespace, name).qualified(catalog.workspace)
    try:
        uuid = (await catalog.load_table(namespace, name)).metadata.get("table-uuid")
        return Dataset(str(uuid or uuid_of_name(workspace_uid, shown)), shown)
    except NotFound:
        pass
    try:
        view = await catalog.load_view(namespace, name)
    except NotFound:
        return None
    return Dataset(str(view.metadata["view-uuid"]), shown, is_view=True)


async def mark_gone(catalog: IcebergCatalog, workspace_uid: str, neighbours: Sequence[LineageNeighbour]) -> None:
    """Mark the neighbours that the catalog does not have any more: others than we may have dropped them.

    Raises:
        ApiError: the catalog is unavailable.
    """

    async def look(neighbour: LineageNeighbour) -> None:
        *namespace, name = neighbour.table.removeprefix(f"{catalog.workspace}.").split(".")
        found = await current_dataset(catalog, workspace_uid, tuple(namespace), name)
        is_name_only = neighbour.uuid == uuid_of_name(workspace_uid, neighbour.table)
        neighbour.is_gone = found is None or (found.uuid != neighbour.uuid and not is_name_only)

    await map_concurrently(look, [each for each in neighbours if not each.is_gone][:MAX_LOOKED_UP])

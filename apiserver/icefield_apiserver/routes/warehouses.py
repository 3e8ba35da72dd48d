"""SQL warehouses (API reference, "SQL warehouses")."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.pagination import CurrentOpenWindow, Page
from icefield_apiserver.repositories.dependencies import Warehouses
from icefield_apiserver.schemas.warehouses import WarehouseChange, WarehouseCreate, WarehouseRead, warehouse_of

router = APIRouter(prefix="/sql/warehouses", tags=["SQL warehouses"])

Id = Annotated[str, Path(max_length=253, description="Id or name of the warehouse.")]


@router.get("", summary="List warehouses")
async def list_warehouses(
    principal: CurrentPrincipal, window: CurrentOpenWindow, warehouses: Warehouses
) -> Page[WarehouseRead]:
    """Return the workspace's warehouses by name; all of them, unless a limit is given."""
    return warehouses.page(principal, window, warehouse_of)


@router.post("", status_code=201, summary="Create a warehouse")
async def create_warehouse(principal: CurrentPrincipal, body: WarehouseCreate, warehouses: Warehouses) -> WarehouseRead:
    """Create a warehouse; it starts by itself unless its desired state is stopped."""
    return warehouse_of(await warehouses.create(principal, body))


@router.get("/{id}", summary="Read a warehouse")
async def read_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> WarehouseRead:  # noqa: A002
    """Return one warehouse."""
    return warehouse_of(await warehouses.get(principal, id))


@router.patch("/{id}", summary="Change a warehouse")
async def update_warehouse(
    principal: CurrentPrincipal,
    id: Id,  # noqa: A002
    body: WarehouseChange,
    warehouses: Warehouses,
) -> WarehouseRead:
    """Change what the body mentions."""
    return warehouse_of(await warehouses.update(principal, id, body))


@router.delete("/{id}", status_code=204, summary="Delete a warehouse")
async def delete_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> None:  # noqa: A002
    """Delete a stopped warehouse; 409 while it runs. Its statements stay in the history."""
    await warehouses.delete(principal, id)


@router.post("/{id}/start", summary="Start a warehouse")
async def start_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> WarehouseRead:  # noqa: A002
    """Start a warehouse; on one that runs already this changes nothing."""
    return warehouse_of(await warehouses.start(principal, id))


@router.post("/{id}/stop", summary="Stop a warehouse")
async def stop_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> WarehouseRead:  # noqa: A002
    """Stop a warehouse; on a stopped one this changes nothing. The next statement starts it again."""
    return warehouse_of(await warehouses.stop(principal, id))

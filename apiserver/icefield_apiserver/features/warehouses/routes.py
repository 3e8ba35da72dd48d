"""SQL warehouses (API reference, "SQL warehouses")."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentOpenWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .schemas import WarehouseChange, WarehouseCreate, WarehouseRead, warehouse_of
from .service import WarehouseService

router = Router(prefix="/sql/warehouses", tags=["SQL warehouses"])

Warehouses = Annotated[WarehouseService, Depends(provided(WarehouseService))]

Id = Annotated[str, Path(max_length=253, description="Id or name of the warehouse.")]


@router.get("", summary="List warehouses")
async def list_warehouses(
    principal: CurrentPrincipal, window: CurrentOpenWindow, warehouses: Warehouses
) -> Page[WarehouseRead]:
    """Return the workspace's warehouses by name; all of them, unless a limit is given."""
    return warehouses.page(principal, window, warehouse_of)


@router.post("", status_code=201, summary="Create a warehouse")
async def create_warehouse(principal: CurrentPrincipal, body: WarehouseCreate, warehouses: Warehouses) -> WarehouseRead:
    """Create a warehouse; it starts unless its desired state is stopped."""
    return warehouse_of(await warehouses.create(principal, body.name, body.to_spec()))


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
    """Change the fields in the body."""
    return warehouse_of(await warehouses.update(principal, id, body.spec_patch()))


@router.delete("/{id}", status_code=204, summary="Delete a warehouse")
async def delete_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> None:  # noqa: A002
    """Delete a stopped warehouse; 409 while it runs. Its statements stay in the history."""
    await warehouses.delete(principal, id)


@router.post("/{id}/start", summary="Start a warehouse")
async def start_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> WarehouseRead:  # noqa: A002
    """Start a warehouse; no effect on one that is running."""
    return warehouse_of(await warehouses.start(principal, id))


@router.post("/{id}/stop", summary="Stop a warehouse")
async def stop_warehouse(principal: CurrentPrincipal, id: Id, warehouses: Warehouses) -> WarehouseRead:  # noqa: A002
    """Stop a warehouse; no effect on a stopped one. The next statement starts it again."""
    return warehouse_of(await warehouses.stop(principal, id))

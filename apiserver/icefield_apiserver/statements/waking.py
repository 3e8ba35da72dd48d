"""Waits until a warehouse serves, and wakes it where it sleeps."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import ApiError
from icefield_apiserver.repositories.warehouses import WarehouseRepository
from icefield_apiserver.schemas.warehouses import effective_phase, name_of
from icefield_apiserver.settings import StatementSettings
from icefield_crds import Warehouse, WarehousePhase

from .execution import Execution, StatementError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
WAKE_AGAIN_SECONDS = 15.0


class Waker:
    """Finds the endpoint of a statement's warehouse.

    Args:
        warehouses: the Warehouses there are.
        settings: how patient to be.
    """

    def __init__(self, warehouses: WarehouseRepository, settings: StatementSettings) -> None:
        self._warehouses = warehouses
        self._settings = settings

    def now(self, execution: Execution) -> Warehouse | None:
        """Return the statement's warehouse as it stands by now; None when it was deleted."""
        warehouse = self._warehouses.now(execution.statement.warehouse_uid)
        return None if warehouse is None or warehouse.metadata.deletion_timestamp else warehouse

    async def endpoint(self, execution: Execution) -> str:
        """Return the URL of the gateway, as soon as there is one that serves.

        Raises:
            StatementError: the warehouse was deleted, is in error, or does not start in time.
            CancelledError: the statement was cancelled meanwhile.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._settings.warehouse_start_seconds
        woken = in_error_since = None
        while True:
            execution.unless_cancelled()
            warehouse = self.now(execution)
            if warehouse is None:
                raise StatementError("WAREHOUSE_DELETED", f"Warehouse {execution.statement.warehouse} was deleted.")
            phase = effective_phase(warehouse)
            if phase is WarehousePhase.RUNNING and warehouse.status and warehouse.status.endpoint:
                return warehouse.status.endpoint
            if phase is not WarehousePhase.STARTING and (woken is None or clock() - woken > WAKE_AGAIN_SECONDS):
                woken = clock()
                await self._wake(warehouse)
            in_error_since = (in_error_since or clock()) if phase is WarehousePhase.ERROR else None
            if clock() > give_up or (
                in_error_since and clock() - in_error_since > self._settings.warehouse_error_seconds
            ):
                raise StatementError("WAREHOUSE_UNAVAILABLE", _reason(warehouse, phase))
            await execution.pause(LOOK_SECONDS)

    async def _wake(self, warehouse: Warehouse) -> None:
        try:
            await self._warehouses.wake(warehouse)
        except (ApiException, ApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("warehouse %s cannot be woken: %s", warehouse.metadata.name, error)


def _reason(warehouse: Warehouse, phase: WarehousePhase) -> str:
    said = (warehouse.status.error if warehouse.status else None) or f"it is still {phase.value}"
    return f"Warehouse {name_of(warehouse)} does not start: {said.rstrip('.')}."

"""Waits until a warehouse is running, and wakes it when it is stopped."""

from __future__ import annotations

import asyncio
import logging

from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.settings import StatementSettings
from icefield_apiserver.features.warehouses.service import WarehouseService, display_name, effective_phase
from icefield_crds import Warehouse, WarehousePhase
from icefield_kube.errors import KubernetesError

from .execution import Execution, StatementError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
WAKE_AGAIN_SECONDS = 15.0


class Waker:
    """Finds the endpoint of a statement's warehouse.

    Args:
        warehouses: the service of warehouses.
        settings: how long to wait.
    """

    def __init__(self, warehouses: WarehouseService, settings: StatementSettings) -> None:
        self._warehouses = warehouses
        self._settings = settings

    def warehouse_of(self, execution: Execution) -> Warehouse | None:
        """Return the current state of the statement's warehouse; None when it was deleted."""
        warehouse = self._warehouses.by_uid(execution.statement.warehouse_uid)
        return None if warehouse is None or warehouse.metadata.deletion_timestamp else warehouse

    async def endpoint(self, execution: Execution) -> str:
        """Return the URL of the gateway, once it is running.

        Raises:
            StatementError: the warehouse was deleted, is in error, or does not start in time.
            CancelledError: the statement was cancelled meanwhile.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._settings.warehouse_start_seconds
        woken = in_error_since = None
        while True:
            execution.check_cancelled()
            warehouse = self.warehouse_of(execution)
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
            await execution.pause(POLL_SECONDS)

    async def _wake(self, warehouse: Warehouse) -> None:
        try:
            await self._warehouses.wake(warehouse)
        except (KubernetesError, ApiError) as error:
            log.warning("warehouse %s cannot be woken: %s", warehouse.metadata.name, error)


def known_endpoint(warehouse: Warehouse | None) -> str | None:
    """Return the URL of the gateway that takes new statements, as the operator reported it."""
    return warehouse.status.endpoint if warehouse and warehouse.status else None


def known_endpoints(warehouse: Warehouse | None) -> tuple[str, ...]:
    """Return the URLs of all gateways of a warehouse that may run statements: also of pods that were replaced."""
    return warehouse.endpoints if warehouse else ()


def _reason(warehouse: Warehouse, phase: WarehousePhase) -> str:
    reason = (warehouse.status.error if warehouse.status else None) or f"it is still {phase.value}"
    return f"Warehouse {display_name(warehouse)} does not start: {reason.rstrip('.')}."

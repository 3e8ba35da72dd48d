"""Submits a statement to its warehouse's gateway, and follows it there until it has ended or is lost."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.settings import StatementSettings
from icefield_crds import WarehousePhase
from icefield_crds.wire.gateway import StatementRequest, StatementState

from .execution import Execution, LostError, StatementError
from .gateway import GatewayRefusalError, Gateways, GatewaySilenceError, UnknownStatementError
from .waking import Waker, known_endpoints

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
"""A statement that ends sooner is recorded once, at its end: its status running is not worth a write."""
WAIT_SECONDS = 30.0
ASK_SECONDS = 120.0
"""How long a read that a plan depends on may take."""
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 2.0


class Dispatcher:
    """Calls the gateways of warehouses.

    Args:
        gateways: the gateways of all warehouses.
        waker: knows the state of the warehouses.
        settings: how long to wait.
    """

    def __init__(self, gateways: Gateways, waker: Waker, settings: StatementSettings) -> None:
        self._gateways = gateways
        self._waker = waker
        self._settings = settings

    async def submit(self, execution: Execution, endpoint: str, statement: StatementRequest) -> StatementState | None:
        """Submit a statement, and return its state after a moment; None when no answer has it.

        Raises:
            GatewayRefusalError: nothing was started.
        """
        workspace = execution.statement.workspace
        try:
            return await self._gateways.put(workspace, endpoint, execution.gateway_id, statement, FIRST_WAIT_SECONDS)
        except UnknownStatementError as error:  # no gateway answers a PUT with 404
            raise GatewayRefusalError("the warehouse's address belongs to something else") from error
        except ApiError as error:
            raise GatewayRefusalError(error.sentence) from error
        except GatewaySilenceError:
            return None

    async def follow(
        self,
        execution: Execution,
        endpoint: str,
        state: StatementState | None,
        on_running: Callable[[], Awaitable[None]],
    ) -> StatementState:
        """Return the final state of a statement that was submitted.

        Args:
            execution: the statement.
            endpoint: URL of the gateway.
            state: its last known state.
            on_running: called when an engine runs it.

        Raises:
            LostError: the gateway does not know it, or is gone.
        """
        delay, silent_since, is_cancelled = FIRST_DELAY_SECONDS, None, False
        clock = asyncio.get_running_loop().time
        while state is None or not state.status.is_final:
            if state and state.status == "running":
                await on_running()
            try:
                is_cancelled = is_cancelled or await self._cancel_if_requested(execution, endpoint)
                wait = WAIT_SECONDS if state and state.status == "running" else FIRST_WAIT_SECONDS
                state = await self._wait(execution, endpoint, wait)
                delay, silent_since = FIRST_DELAY_SECONDS, None
            except UnknownStatementError as error:
                raise LostError("The warehouse was restarted while the statement ran") from error
            except (GatewayRefusalError, GatewaySilenceError, ApiError) as error:
                silent_since = silent_since or clock()
                if self._is_lost(execution, endpoint, clock() - silent_since):
                    raise LostError("The warehouse was lost while the statement ran") from error
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
        return state

    async def ask(self, execution: Execution, endpoint: str, statement: StatementRequest) -> StatementState:
        """Run a short read that a statement's plan depends on, and return its final state.

        Raises:
            StatementError: the warehouse does not answer it in time.
            CancelledError: the statement was cancelled meanwhile.
        """
        workspace, gateway_id = execution.statement.workspace, f"{execution.statement.id}-ask-{uuid.uuid4().hex[:8]}"
        clock = asyncio.get_running_loop().time
        give_up, delay = clock() + ASK_SECONDS, FIRST_DELAY_SECONDS
        while True:
            execution.check_cancelled()
            try:
                state = await self._gateways.put(workspace, endpoint, gateway_id, statement, WAIT_SECONDS)
                if state.status.is_final:
                    return state
            except (GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError) as error:
                log.warning("the warehouse of statement %s does not answer: %s", execution.statement.id, error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
            if clock() > give_up:
                raise StatementError("WAREHOUSE_UNAVAILABLE", "The warehouse did not read the files in time.")

    async def locate(self, execution: Execution) -> str:
        """Return the URL of the gateway that knows a statement which another process sent to its warehouse.

        Raises:
            LostError: the warehouse has no gateway, or none that knows it.
        """
        endpoints = known_endpoints(self._waker.warehouse_of(execution))
        if not endpoints:
            raise LostError("The warehouse was lost while the statement ran")
        workspace, gateway_id, silent = execution.statement.workspace, execution.gateway_id, []
        for endpoint in endpoints:
            try:
                await self._gateways.get(workspace, endpoint, gateway_id, 0.0)
            except UnknownStatementError:
                continue
            except (GatewayRefusalError, GatewaySilenceError, ApiError):
                silent.append(endpoint)
                continue
            return endpoint
        if silent:  # it is followed there, with the patience that `follow` has
            return silent[0]
        raise LostError("The warehouse was restarted while the statement ran")

    async def cancel(self, execution: Execution, endpoint: str) -> None:
        """Stop the statement's engine.

        Raises:
            GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError: it may not have been stopped.
        """
        await self._gateways.cancel(execution.statement.workspace, endpoint, execution.gateway_id)

    async def _cancel_if_requested(self, execution: Execution, endpoint: str) -> bool:
        """Cancel at the gateway a statement whose cancellation was requested; return whether that was done."""
        if not execution.stop.is_set():
            return False
        await self.cancel(execution, endpoint)
        return True

    async def _wait(self, execution: Execution, endpoint: str, wait: float) -> StatementState:
        """Wait for the statement's end, or for a request to cancel it."""
        workspace, gateway_id = execution.statement.workspace, execution.gateway_id
        waiting = asyncio.ensure_future(self._gateways.get(workspace, endpoint, gateway_id, wait))
        if execution.stop.is_set():
            return await waiting
        stopped = asyncio.ensure_future(execution.stop.wait())
        try:
            await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await self._cancel_if_requested(execution, endpoint)
            return await waiting
        finally:
            stopped.cancel()
            waiting.cancel()

    def _is_lost(self, execution: Execution, endpoint: str, silence_seconds: float) -> bool:
        """Return whether to give up a gateway that does not answer.

        A read is given up as soon as the warehouse is gone: it is only run again. A write may still be running behind a
        gateway that cannot be reached, so it is given up when its pod is gone and there is another, or there is none.
        """
        is_write = execution.statement.is_write
        warehouse = self._waker.warehouse_of(execution)
        if warehouse is None or warehouse.phase is WarehousePhase.STOPPED:
            return True
        current = known_endpoints(warehouse)
        if endpoint not in current and (current or not is_write):
            return True
        limit = self._settings.write_silence_seconds if is_write else self._settings.silence_seconds
        return silence_seconds > limit

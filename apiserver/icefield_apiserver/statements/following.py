"""Hands a statement to its warehouse's gateway, and follows it there until it has ended or is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from icefield_apiserver.errors import ApiError
from icefield_apiserver.settings import StatementSettings
from icefield_crds import WarehousePhase

from .execution import Execution, LostError
from .gateway import (
    GatewayRefusalError,
    Gateways,
    GatewaySilenceError,
    GatewayState,
    GatewayStatement,
    UnknownStatementError,
)
from .waking import Waker

FIRST_WAIT_SECONDS = 1.0
"""What ends sooner is recorded once, when it has ended; its running is not worth a write to the database."""
WAIT_SECONDS = 30.0
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 2.0


class Follower:
    """Calls the gateway for one statement after the other.

    Args:
        gateways: the gateways of all warehouses.
        waker: knows how the warehouses stand.
        settings: how patient to be.
    """

    def __init__(self, gateways: Gateways, waker: Waker, settings: StatementSettings) -> None:
        self._gateways = gateways
        self._waker = waker
        self._settings = settings

    async def begin(self, execution: Execution, endpoint: str, statement: GatewayStatement) -> GatewayState | None:
        """Hand a statement over, and return how it stands after a moment; None when no answer says.

        Raises:
            GatewayRefusalError: nothing was started.
        """
        workspace = execution.statement.workspace
        try:
            return await self._gateways.put(workspace, endpoint, execution.gateway_id, statement, FIRST_WAIT_SECONDS)
        except UnknownStatementError as error:  # no gateway answers a PUT so
            raise GatewayRefusalError("the warehouse's address belongs to something else") from error
        except ApiError as error:
            raise GatewayRefusalError(error.sentence) from error
        except GatewaySilenceError:
            return None

    async def follow(
        self,
        execution: Execution,
        endpoint: str,
        state: GatewayState | None,
        on_running: Callable[[], Awaitable[None]],
    ) -> GatewayState:
        """Return how a statement ended that was handed over.

        Args:
            execution: the statement.
            endpoint: URL of the gateway.
            state: how it stands, as far as known.
            on_running: called once an engine has it.

        Raises:
            LostError: the gateway does not know it, or is gone.
        """
        delay, silent_since, is_told = FIRST_DELAY_SECONDS, None, False
        clock = asyncio.get_running_loop().time
        while state is None or not state.is_terminal:
            if state and state.status == "running":
                await on_running()
            try:
                is_told = is_told or await self._tell(execution, endpoint)
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

    async def cancel(self, execution: Execution, endpoint: str) -> None:
        """Have the engine stop.

        Raises:
            GatewayRefusalError, GatewaySilenceError, UnknownStatementError, ApiError: it was not told.
        """
        await self._gateways.cancel(execution.statement.workspace, endpoint, execution.gateway_id)

    async def _tell(self, execution: Execution, endpoint: str) -> bool:
        """Cancel at the gateway what somebody wants stopped; say whether that was done."""
        if not execution.stop.is_set():
            return False
        await self.cancel(execution, endpoint)
        return True

    async def _wait(self, execution: Execution, endpoint: str, wait: float) -> GatewayState:
        """Wait for the statement's end, or for somebody to want it stopped."""
        workspace, gateway_id = execution.statement.workspace, execution.gateway_id
        waiting = asyncio.ensure_future(self._gateways.get(workspace, endpoint, gateway_id, wait))
        if execution.stop.is_set():
            return await waiting
        stopped = asyncio.ensure_future(execution.stop.wait())
        try:
            await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await self._tell(execution, endpoint)
            return await waiting
        finally:
            stopped.cancel()
            waiting.cancel()

    def _is_lost(self, execution: Execution, endpoint: str, silence_seconds: float) -> bool:
        """Say whether to give up a gateway that does not answer.

        A read may be given up as soon as the warehouse is not there; it is only run again. A write may still be going
        on behind a gateway that cannot be reached, so it is given up when another pod is there, or none.
        """
        is_write = execution.statement.is_write
        warehouse = self._waker.now(execution)
        if warehouse is None or warehouse.phase is WarehousePhase.STOPPED:
            return True
        current = warehouse.status.endpoint if warehouse.status else None
        if current != endpoint and (current or not is_write):
            return True
        limit = self._settings.write_silence_seconds if is_write else self._settings.silence_seconds
        return silence_seconds > limit

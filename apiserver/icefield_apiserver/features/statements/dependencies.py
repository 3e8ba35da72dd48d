"""The dependencies of statement execution."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.settings import StatementSettings
from icefield_apiserver.features.lineage.service import LineageRecorder

from .ahead import RecentReads
from .dispatch import Dispatcher
from .execution import StatementError
from .planning import Planner
from .store import StatementRepository
from .waking import Waker

T = TypeVar("T")

CATALOG_RETRY_SECONDS = 90.0
"""How long the catalog may be unavailable while a statement needs it."""
FIRST_DELAY_SECONDS = 0.5


@dataclass(frozen=True)
class ExecutionDependencies:
    """The services that the lifecycle of a statement calls."""

    repository: StatementRepository
    planner: Planner
    recent_reads: RecentReads
    catalogs: Catalogs
    waker: Waker
    dispatcher: Dispatcher
    recorder: LineageRecorder
    workspaces: WorkspaceDirectory
    settings: StatementSettings


async def retry_catalog(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call, and retry it while the catalog is unavailable.

    Raises:
        StatementError: the catalog is unavailable for too long, or refuses.
    """
    try:
        try:
            return await call()  # without tenacity, whose set-up costs as much as planning a cached statement
        except ApiError as error:
            if not _is_unavailable(error):
                raise
        return await _retry(call)
    except ApiError as error:
        code = "CATALOG_UNAVAILABLE" if _is_unavailable(error) else "CATALOG_ERROR"
        raise StatementError(code, error.sentence) from error


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status_code >= 500


async def _retry(call: Callable[[], Awaitable[T]]) -> T:
    async def attempt() -> T:
        return await call()

    retrying = AsyncRetrying(
        retry=retry_if_exception(_is_unavailable),
        wait=wait_exponential(multiplier=0.5, max=5.0),
        stop=stop_after_delay(CATALOG_RETRY_SECONDS),
        reraise=True,
    )
    await asyncio.sleep(FIRST_DELAY_SECONDS)
    return await retrying(attempt)

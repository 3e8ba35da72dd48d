"""The dependencies of statement execution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.settings import StatementSettings
from icefield_apiserver.features.lineage.service import LineageRecorder
from icefield_apiserver.features.volumes.service import VolumeService

from .ahead import RecentReads
from .copied_files import CopiedFiles
from .dispatch import Dispatcher
from .execution import StatementError
from .planning import Planner
from .retrying import retried
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
    volumes: VolumeService
    copied_files: CopiedFiles
    settings: StatementSettings


async def retry_catalog(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call, and retry it while the catalog is unavailable.

    Raises:
        StatementError: the catalog is unavailable for too long, or refuses.
    """
    try:
        return await retried(call, _is_unavailable, first_delay=FIRST_DELAY_SECONDS, patience=CATALOG_RETRY_SECONDS)
    except ApiError as error:
        code = "CATALOG_UNAVAILABLE" if _is_unavailable(error) else "CATALOG_ERROR"
        raise StatementError(code, error.sentence) from error


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status_code >= 500

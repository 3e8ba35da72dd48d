"""What a statement's story is played with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.errors import ApiError
from icefield_apiserver.identity.membership import WorkspaceDirectory
from icefield_apiserver.lineage import LineageRecorder
from icefield_apiserver.settings import StatementSettings

from .execution import StatementError
from .following import Follower
from .planning import Planner
from .repository import StatementRepository
from .waking import Waker

T = TypeVar("T")

PATIENCE_SECONDS = 90.0
"""How long the catalog may be away while a statement needs it."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0


@dataclass(frozen=True)
class Parts:
    """Everything that the story of a statement needs."""

    repository: StatementRepository
    planner: Planner
    catalogs: Catalogs
    waker: Waker
    follower: Follower
    recorder: LineageRecorder
    workspaces: WorkspaceDirectory
    settings: StatementSettings


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call again for as long as what it needs may be away for a moment.

    Raises:
        StatementError: it is away for too long, or refuses.
    """
    give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            return await call()
        except ApiError as error:
            if error.status_code < 500:
                raise StatementError("CATALOG_ERROR", error.sentence) from error
            if asyncio.get_running_loop().time() > give_up:
                raise StatementError("CATALOG_UNAVAILABLE", error.sentence) from error
        await asyncio.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)

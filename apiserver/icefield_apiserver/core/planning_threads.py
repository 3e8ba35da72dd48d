"""Threads in which statements are planned: beside the event loop, and each workspace within its share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

from icefield_apiserver.core.errors import QuotaExceeded

P = ParamSpec("P")
T = TypeVar("T")

LONG_TEXT = 2 * 1024
"""A longer text waits until there is room to plan it: parsed, it takes some 600 bytes a character."""
AT_ONCE = 2
"""How many statements of one workspace are planned at once."""
WAITING = 256
RETRY_SECONDS = 2
LONG_AT_ONCE = 8
"""How many long texts are planned at once, one of each workspace: each may take 50 MB meanwhile."""


class PlanningThreads:
    """Runs the pure steps of planning, which may take a second each (icefield_sql.lang.planning_time).

    What one workspace sends waits for its own statements, not for those of another.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._limiters: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()
        self._long_limiters: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()
        self._long = CapacityLimiter(LONG_AT_ONCE)

    async def run(self, workspace: str, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what a step of planning returns.

        Args:
            workspace: slug of the workspace whose statement it is.
            step: the step, and its arguments.

        Raises:
            QuotaExceeded: too many of the workspace wait already.
        """
        limiter = self._limiters.setdefault(workspace, CapacityLimiter(AT_ONCE))
        _check_room(limiter)
        return await to_thread.run_sync(partial(step, *arguments, **named), limiter=limiter)

    @asynccontextmanager
    async def room(self, workspace: str, length: int) -> AsyncIterator[None]:
        """Wait until a text can be planned, which it is within the context; a short one does not wait.

        Args:
            workspace: slug of the workspace whose statement it is.
            length: of the text, in characters.

        Raises:
            QuotaExceeded: too many of the workspace wait already.
        """
        if length <= LONG_TEXT:
            yield
            return
        limiter = self._long_limiters.setdefault(workspace, CapacityLimiter(1))
        _check_room(limiter)
        # The workspace's own first: then no more than one of each waits for the other.
        async with limiter, self._long:
            yield


def _check_room(limiter: CapacityLimiter) -> None:
    if (waiting := limiter.statistics().tasks_waiting) >= WAITING:
        raise QuotaExceeded(
            f"Too many statements are planned at once: max_waiting_plans={WAITING}, current={waiting}.",
            retry_after=RETRY_SECONDS,
        )

"""Work that a process repeats for as long as it lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_kube.errors import KubernetesError

from .objects.transfers import ObjectStoreError

log = logging.getLogger(__name__)

LONGEST_DELAY_SECONDS = 60.0
_UNAVAILABLE = (SQLAlchemyError, ObjectStoreError, KubernetesError, OSError, TimeoutError)

Step = Callable[[], Coroutine[Any, Any, None]]


async def repeat(step: Step, seconds: float) -> None:
    """Repeat a step until cancelled, also when it fails: then with growing delays.

    Args:
        step: what to do.
        seconds: the delay before each step.
    """
    delay = seconds
    while True:
        await asyncio.sleep(delay)
        try:
            await step()
            delay = seconds
        except _UNAVAILABLE as error:
            delay = min(2 * delay, max(seconds, LONGEST_DELAY_SECONDS))
            log.warning("%s: %s: %s", step.__qualname__, type(error).__name__, error)
        except Exception:
            # Nothing may end the loop.
            delay = min(2 * delay, max(seconds, LONGEST_DELAY_SECONDS))
            log.exception("%s failed", step.__qualname__)


@asynccontextmanager
async def repeating(step: Step, seconds: float) -> AsyncIterator[None]:
    """Repeat a step in the background for as long as the context lasts; see `repeat`."""
    task = asyncio.create_task(repeat(step, seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

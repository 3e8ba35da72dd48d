"""Retries of what a statement needs while it is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

MAX_DELAY_SECONDS = 5.0

T = TypeVar("T")


async def retried(
    call: Callable[[], Awaitable[T]],
    is_unavailable: Callable[[BaseException], bool],
    *,
    first_delay: float,
    patience: float,
) -> T:
    """Make a call, and retry it while what it calls is unavailable; then raise the last error.

    Args:
        call: makes one attempt.
        is_unavailable: whether an error is worth a retry; any other is raised at once.
        first_delay: seconds before the first and the second retry; each further delay is twice as long, up to
            MAX_DELAY_SECONDS.
        patience: seconds after the first delay in which retries are started.
    """
    try:
        return await call()  # without tenacity, whose set-up costs as much as planning a cached statement
    except Exception as error:
        if not is_unavailable(error):
            raise

    async def attempt() -> T:
        return await call()

    retrying = AsyncRetrying(
        retry=retry_if_exception(is_unavailable),
        wait=wait_exponential(multiplier=first_delay, max=MAX_DELAY_SECONDS),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    await asyncio.sleep(first_delay)
    return await retrying(attempt)

"""Wait for what is about to become true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_exponential

# Often at first, then seldom: each question costs the processor that the answer waits for.
_INTERVALS = wait_exponential(multiplier=0.02, exp_base=1.5, max=0.25)


async def eventually(check: Callable[[], Awaitable[Any]], patience: float = 60.0) -> Any:
    """Return the first truthy answer.

    Args:
        check: asked again and again.
        patience: seconds after which the test fails.
    """

    async def ask() -> Any:
        return await check()

    asking = AsyncRetrying(
        retry=retry_if_result(lambda answer: not answer), wait=_INTERVALS, stop=stop_after_delay(patience)
    )
    try:
        return await asking(ask)
    except RetryError as error:
        raise AssertionError(f"waited for {patience} s in vain; last answer: {error.last_attempt.result()!r}") from None

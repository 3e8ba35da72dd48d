"""Concurrent calls with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENCY = 16
"""Catalogs answer fewer calls at a time; more would only wait in their queue instead of ours."""


async def map_concurrently(
    work: Callable[[T], Awaitable[R]], items: Sequence[T], limit: int = MAX_CONCURRENCY
) -> list[R]:
    """Return the result of `work` for each item, in order; the first error cancels the rest.

    Args:
        work: called with each item.
        items: the items.
        limit: maximum number of concurrent calls.
    """
    results: dict[int, R] = {}
    rest = iter(enumerate(items))

    async def worker() -> None:
        for number, item in rest:
            results[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [results[number] for number in range(len(items))]

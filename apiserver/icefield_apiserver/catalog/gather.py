"""Many calls at once, but not all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_AT_ONCE = 16
"""More than a catalog answers at a time; further calls would only wait in its queue instead of ours."""


async def gather(work: Callable[[T], Awaitable[R]], items: Sequence[T], at_once: int = MAX_AT_ONCE) -> list[R]:
    """Return what `work` makes of each item, in their order; the first error ends them all.

    Args:
        work: what to do with an item.
        items: the items.
        at_once: how many are worked on at a time.
    """
    results: dict[int, R] = {}
    rest = iter(enumerate(items))

    async def worker() -> None:
        for number, item in rest:
            results[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [results[number] for number in range(len(items))]

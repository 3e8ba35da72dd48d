"""Lookups that those who ask for the same at the same time share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedLookups(Generic[K, V]):
    """Looks things up, each at most once at a time.

    Nothing is kept: whoever asks gets the result of a lookup that began after it asked, so nobody sees what was true
    before. Those who ask while a lookup of the same is under way wait for its end, and share the next one.

    Args:
        look_up: makes one lookup.
    """

    def __init__(self, look_up: Callable[[K], Awaitable[V]]) -> None:
        self._look_up = look_up
        self._running: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """Return what a lookup finds.

        Raises:
            Exception: what the lookup raises.
        """
        running = self._running.get(key)
        if running is None:
            shared = self._running[key] = self._start(self._run(key))
        elif (waiting := self._next.get(key)) is not None:
            shared = waiting
        else:
            shared = self._next[key] = self._start(self._run_after(running, key))
        return await asyncio.shield(shared)  # one who is cancelled does not stop the others

    @staticmethod
    def _start(lookup: Awaitable[V]) -> asyncio.Task[V]:
        task = asyncio.ensure_future(lookup)
        assert isinstance(task, asyncio.Task)  # noqa: S101 - what it makes of a coroutine
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # perhaps nobody waits any more
        return task

    async def _run_after(self, running: asyncio.Task[V], key: K) -> V:
        await asyncio.wait([running])
        self._running[key] = self._next.pop(key)
        return await self._run(key)

    async def _run(self, key: K) -> V:
        try:
            return await self._look_up(key)
        finally:
            if key not in self._next:
                del self._running[key]

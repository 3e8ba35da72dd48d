"""The work queue: keys of resources that may have changed, each reconciled by one worker at a time.

A key that is added while it waits is not added twice; one added while it is worked on is worked on again afterwards (so
no change is missed); one whose reconcile fails is retried after a growing delay. The design is that of client-go's
workqueue.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from icefield_kube.errors import KubernetesError

from .metrics import QUEUE_DEPTH, RECONCILE_ERRORS, RECONCILE_SECONDS

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.1
LAST_BACKOFF = 60.0
RECONCILE_TIMEOUT = 60.0
SPARE_DELAYS = 100
"""How many delays that an earlier one has replaced are kept at least, before they are looked for."""
CAPACITY = 100_000
"""Further keys are dropped; the next resync adds them again."""


class Key(NamedTuple):
    """The resource to reconcile."""

    kind: str
    namespace: str
    """"" for cluster-scoped kinds."""
    name: str


Reconcile = Callable[[Key], Awaitable[timedelta | None]]
"""Reconciles the resource of this key; returns after how long to do so again without a change, None for never."""


class WorkQueue:
    """Keyed, deduplicating, backing off, bounded, with delayed adds; the same key is never reconciled twice at once."""

    def __init__(self, reconcile: Reconcile, workers: int = 16, capacity: int = CAPACITY) -> None:
        """Make a queue that calls `reconcile` from that many workers once `run` is awaited."""
        self._reconcile = reconcile
        self._workers = workers
        self._capacity = capacity
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._is_finishing = False
        self._is_idle = asyncio.Event()
        self._wake_worker = asyncio.Event()
        self._wake_timer = asyncio.Event()

    def add(self, key: Key) -> None:
        """Reconcile this key as soon as a worker is free."""
        if self._is_finishing:
            return
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            if len(self._waiting) >= self._capacity:
                log.error("The work queue is full; %s waits for the next resync", key)
                return
            self._waiting.add(key)
            self._ready.append(key)
            self._wake_worker.set()
            QUEUE_DEPTH.set(len(self._waiting))

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Reconcile this key after a delay; an earlier one that is already planned is kept."""
        due = time.monotonic() + max(delay.total_seconds(), 0.0)
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        if len(self._delayed) > 2 * len(self._due) + SPARE_DELAYS:
            self._delayed = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._delayed)
        else:
            heapq.heappush(self._delayed, (due, key))
        self._wake_timer.set()

    def __len__(self) -> int:
        """Return how many keys wait or are being reconciled."""
        return len(self._waiting) + len(self._working)

    async def run(self) -> None:
        """Reconcile until cancelled; passes in progress are cancelled too."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._promote_due())
            for _ in range(self._workers):
                group.create_task(self._work())

    async def finish(self, seconds: float) -> None:
        """Begin no more passes; return once those in progress have ended, or after so many seconds."""
        self._is_finishing = True
        self._ready.clear()
        self._waiting.clear()
        if self._working:
            self._is_idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_idle.wait()

    async def _promote_due(self) -> None:
        while True:
            self._wake_timer.clear()
            now = time.monotonic()
            while self._delayed and self._delayed[0][0] <= now:
                due, key = heapq.heappop(self._delayed)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            wait = self._delayed[0][0] - now if self._delayed else None
            try:
                async with asyncio.timeout(wait):
                    await self._wake_timer.wait()
            except TimeoutError:
                continue

    async def _work(self) -> None:
        while True:
            while not self._ready:
                self._wake_worker.clear()
                await self._wake_worker.wait()
            key = self._ready.popleft()
            self._waiting.discard(key)
            self._working.add(key)
            QUEUE_DEPTH.set(len(self._waiting))
            try:
                await self._pass_over(key)
            finally:
                self._working.discard(key)
                if not self._working:
                    self._is_idle.set()
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _pass_over(self, key: Key) -> None:
        try:
            with RECONCILE_SECONDS.labels(key.kind).time():
                async with asyncio.timeout(RECONCILE_TIMEOUT):
                    again = await self._reconcile(key)
        except Exception as error:
            self._back_off(key, error)
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.add_after(key, again)

    def _back_off(self, key: Key, error: Exception) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(FIRST_BACKOFF * 2 ** min(failures, 20), LAST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311
        if isinstance(error, KubernetesError):
            delay = max(delay, error.retry_after or 0.0)
        RECONCILE_ERRORS.labels(key.kind, type(error).__name__).inc()
        known = isinstance(error, KubernetesError | TimeoutError)
        log.log(
            logging.INFO if known and failures < 3 else logging.WARNING,
            "%s %s/%s: %s; retry in %.1f s",
            *key,
            error or type(error).__name__,
            delay,
            exc_info=None if known else error,
        )
        self.add_after(key, timedelta(seconds=delay))

"""One operator process, from its first list of the cluster to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import kopf
from tenacity import AsyncRetrying, RetryError, before_sleep_log, retry_if_exception_type, wait_fixed

from icefield_crds.labels import POD_SELECTOR
from icefield_kube.errors import KubernetesError

from .cluster import Cluster, together
from .cluster_cache import WATCHED_KINDS, Kind
from .controllers import Controllers
from .handlers import reflectors_for, registry_for
from .health import Health
from .leader_election import Election, Unopposed
from .settings import Settings

log = logging.getLogger(__name__)

FIRST_RESYNC = 10.0
"""Seconds until the second list: no event reports what was deleted between our first list and kopf's."""

LAST_PASSES_SECONDS = 3.0
"""For the passes in progress when the operator is stopped; then the statuses that wait are written, for 5 s more."""

RETRY_SECONDS = 2.0
"""Seconds between attempts to reach the API at start."""


class Operator:
    """Runs the watches, the queue, the probes and the resync around a set of controllers."""

    def __init__(
        self, settings: Settings, cluster: Cluster, controllers: Controllers, election: Election | None = None
    ) -> None:
        """Build the operator; nothing runs yet."""
        self._election = election or Unopposed()
        self._settings = settings
        self._cluster = cluster
        self._controllers = controllers
        self._cache = controllers.cache
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._versions: dict[str, str] = {}
        """Of the newest list of each kind."""

    async def run(self) -> None:
        """Stand for election and act when elected, until SIGTERM, SIGINT or `stop`; raise when a part fails."""
        review = self._cluster.request_review()
        health = Health(self._controllers, self._settings.watch_age_limit_seconds, self._is_ready, review)
        parts = [
            asyncio.create_task(health.serve(self._settings.health_port), name="health"),
            asyncio.create_task(self._election.run(self._act, self._stop), name="election"),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
        finally:
            await _end(parts)

    def _is_ready(self) -> bool:
        # A rolling update waits until the new operator is ready, and that waits for the old one's end.
        return self._ready.is_set() or self._election.is_standing_by

    async def _act(self) -> None:
        """Do everything that changes something, from the first list to the stop.

        A pass in progress is given a moment to end: the next leader cannot know of an attempt that was about to start
        whether it did. Nothing is read before this process leads: only a list that begins then is sure to show all that
        the leader before did.
        """
        if not await self._first_sync():
            return
        self._controllers.enqueue_all()
        watches = asyncio.create_task(self._watch(), name="watches")
        works = [self._controllers.queue.run(), self._resync(), *(serve() for serve in self._controllers.services)]
        parts = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.wait([watches, *parts], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            await self._controllers.queue.finish(LAST_PASSES_SECONDS)
            await watches
            for part in parts:
                if part.done():
                    part.result()
        finally:
            await _end([watches, *parts])

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stop.set()

    async def _watch(self) -> None:
        reflectors = reflectors_for(self._controllers, self._cluster, self._versions)
        # Not kopf.operator(): when it ends, it cancels every task of the loop that was started after it, ours too.
        tasks = await kopf.spawn_tasks(
            registry=registry_for(self._controllers, self._cluster),
            standalone=True,
            clusterwide=True,
            stop_flag=self._stop,
            ready_flag=self._ready,
        )
        tasks = [*tasks, *(asyncio.create_task(reflector.run()) for reflector in reflectors)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _first_sync(self) -> bool:
        """List the cluster, retrying until it is reachable; return False when `stop` was called first."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(KubernetesError),
            wait=wait_fixed(RETRY_SECONDS),
            stop=lambda _: self._stop.is_set(),
            sleep=self._sleep_unless_stopped,
            before_sleep=before_sleep_log(log, logging.WARNING),
        )
        try:
            await retrying(self._sync)
        except RetryError:
            return False
        return not self._stop.is_set()

    async def _sleep_unless_stopped(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def resync(self) -> None:
        """List the cluster, and enqueue everything that can still change."""
        try:
            await self._sync()
        except KubernetesError as error:
            log.warning("Cannot list the cluster: %s", error)
        self._controllers.enqueue_all()

    async def _resync(self) -> None:
        await asyncio.sleep(min(FIRST_RESYNC, self._settings.resync_seconds))
        while True:
            await self.resync()
            await asyncio.sleep(self._settings.resync_seconds)

    async def _sync(self) -> None:
        async def sync(kind: str) -> None:
            selector = POD_SELECTOR if kind == Kind.POD else ""
            pages = self._cluster.pages(kind, selector=selector)
            self._versions[kind] = await self._cache.replace_by_pages(kind, pages)

        await together(*(sync(kind) for kind in WATCHED_KINDS))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

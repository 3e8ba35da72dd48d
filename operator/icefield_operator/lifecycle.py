"""One operator process, from its first list of the cluster to its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import kopf

from icefield_crds.labels import POD_SELECTOR

from .cluster import Cluster, together
from .controllers import Controllers
from .errors import KubernetesError
from .handlers import registry_for
from .health import Health
from .settings import Settings
from .world import Kind

log = logging.getLogger(__name__)

FIRST_RESYNC = 10.0
"""Seconds until the second list: what vanished between our first and kopf's no event tells of."""

RETRY = 2.0
"""Seconds between attempts to reach the API at start."""


class Operator:
    """The watches, the queue, the probes and the resync around a set of controllers."""

    def __init__(self, settings: Settings, cluster: Cluster, controllers: Controllers) -> None:
        """Put it together; nothing runs yet."""
        self._settings = settings
        self._cluster = cluster
        self._controllers = controllers
        self._world = controllers.world
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM, SIGINT or `stop`; raise when a part of it fails.

        What is being worked on is left where it is: every step finds in the cluster what an earlier one did.
        """
        health = Health(self._world, self._settings.watch_age_limit_seconds, self._ready.is_set)
        parts = [asyncio.create_task(health.serve(self._settings.health_port), name="health")]
        try:
            if not await self._first_sync():
                return
            self._controllers.enqueue_all()
            watches = asyncio.create_task(self._watch(), name="watches")
            works = [self._controllers.queue.run(), self._resync(), *(serve() for serve in self._controllers.services)]
            parts += [asyncio.create_task(work) for work in works]
            await asyncio.wait([watches, *parts], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            await watches
            for part in parts:
                if part.done():
                    part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stop.set()

    async def _watch(self) -> None:
        # Not kopf.operator(): at its end that cancels every task of the loop which began after it, ours too.
        tasks = await kopf.spawn_tasks(
            registry=registry_for(self._controllers, self._cluster),
            standalone=True,
            clusterwide=True,
            stop_flag=self._stop,
            ready_flag=self._ready,
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _first_sync(self) -> bool:
        """List the cluster, however long it takes to be there; return whether that was not cut short by `stop`."""
        while not self._stop.is_set():
            try:
                await self._sync()
            except KubernetesError as error:
                log.warning("Cannot list the cluster yet: %s", error)
            else:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), RETRY)
        return False

    async def _resync(self) -> None:
        await asyncio.sleep(min(FIRST_RESYNC, self._settings.resync_seconds))
        while True:
            try:
                await self._sync()
            except KubernetesError as error:
                log.warning("Cannot list the cluster: %s", error)
            self._controllers.enqueue_all()
            await asyncio.sleep(self._settings.resync_seconds)

    async def _sync(self) -> None:
        async def sync(kind: Kind) -> None:
            selector = POD_SELECTOR if kind is Kind.POD else ""
            self._world.replace(kind, *await self._cluster.list(kind, selector=selector))

        await together(*(sync(kind) for kind in Kind))

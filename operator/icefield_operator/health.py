"""/livez, /readyz and /metrics.

Alive means: each kind's watch has recently proven that it delivers (see ClusterCache.watch_age). An operator whose
watch died silently would wait for events for ever; a restart repairs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .cluster_cache import WATCHED_KINDS
from .controllers import Controllers
from .metrics import WATCH_AGE


class Health:
    """Serves the probes and metrics of one operator process."""

    def __init__(self, controllers: Controllers, watch_age_limit: float, is_ready: Callable[[], bool]) -> None:
        """Answer for these controllers; no watch may be silent for longer than the limit, in seconds."""
        self._cache = controllers.cache
        self._exports = controllers.exports
        self._limit = watch_age_limit
        self._is_ready = is_ready

    async def serve(self, port: int) -> None:
        """Listen on all addresses until cancelled."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def silent_watches(self) -> list[str]:
        """Return a message for each watch that has been silent for too long."""
        ages = {kind: self._cache.watch_age(kind) for kind in WATCHED_KINDS}
        return [
            f"no watch event for {kind} in {age:.0f} s"
            for kind, age in ages.items()
            if age > self._limit and age != float("inf")
        ]

    async def _livez(self, _: web.Request) -> web.Response:
        silent = self.silent_watches()
        return web.Response(text="\n".join(silent) or "ok", status=503 if silent else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._is_ready() and not self.silent_watches()
        return web.Response(text="ok" if ready else "not ready", status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        for export in self._exports:
            export(self._cache)
        for kind in WATCHED_KINDS:
            WATCH_AGE.labels(kind).set(self._cache.watch_age(kind))
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

"""/livez, /readyz and /metrics.

Alive means: each kind's watch has proven lately that it delivers (see World.watch_age). An operator whose watch died
silently would wait for ever for events; restarting it is the cure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from icefield_crds import RunPhase

from .metrics import RUNS, SANDBOXES, WATCH_AGE
from .sandbox.count import by_state
from .world import Kind, World


class Health:
    """Answers the probes of one operator process."""

    def __init__(self, world: World, watch_age_limit: float, is_ready: Callable[[], bool]) -> None:
        """Judge by this view; no watch may be silent for longer than the limit, in seconds."""
        self._world = world
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

    def silent(self) -> list[str]:
        """Return what is wrong with each watch that has been silent for too long."""
        ages = {kind: self._world.watch_age(kind) for kind in Kind}
        return [
            f"the watch of {kind} has given no sign of life for {age:.0f} s"
            for kind, age in ages.items()
            if age > self._limit and age != float("inf")
        ]

    async def _livez(self, _: web.Request) -> web.Response:
        silent = self.silent()
        return web.Response(text="\n".join(silent) or "ok", status=503 if silent else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._is_ready() and not self.silent()
        return web.Response(text="ok" if ready else "not ready", status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        phases = Counter(run.phase for run in self._world.runs())
        for phase in RunPhase:
            RUNS.labels(phase.value).set(phases[phase])
        for state, count in by_state(self._world).items():
            SANDBOXES.labels(state).set(count)
        for kind in Kind:
            WATCH_AGE.labels(kind.value).set(self._world.watch_age(kind))
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

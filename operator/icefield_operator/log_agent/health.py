"""/livez, /readyz and /metrics of the agent; the operator leaves the logs of a node to it while it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


class AgentHealth:
    """Serves the probes and metrics of one agent."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        """Answer for what `is_ready` returns."""
        self._is_ready = is_ready

    async def serve(self, port: int) -> None:
        """Listen on all addresses until cancelled."""
        app = web.Application()
        app.add_routes(
            [web.get("/livez", self._livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._is_ready()
        return web.Response(text="ok" if ready else "not ready", status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

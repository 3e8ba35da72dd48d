"""/livez, /readyz and /metrics of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from icefield_kube.request_review import SENTENCES, RequestReview


class Probes:
    """Serves the probes and metrics of a process; one that knows more of its own health extends it."""

    def __init__(self, is_ready: Callable[[], bool], review: RequestReview) -> None:
        """Answer /readyz with what `is_ready` returns, and /metrics to whom the review admits."""
        self._is_ready = is_ready
        self._review = review

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

    def problems(self) -> list[str]:
        """Return a message for each reason to restart the process; while there is one, it is not ready either."""
        return []

    def export(self) -> None:
        """Set the metrics that are computed when they are scraped."""
        return

    async def _livez(self, _: web.Request) -> web.Response:
        found = self.problems()
        return web.Response(text="\n".join(found) or "ok", status=503 if found else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._is_ready() and not self.problems()
        return web.Response(text="ok" if ready else "not ready", status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        status = await self._review.status(request.headers.get("Authorization"), request.path)
        if status in SENTENCES:
            return web.Response(text=SENTENCES[status], status=status)
        self.export()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

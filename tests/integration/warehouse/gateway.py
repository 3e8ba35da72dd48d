"""Plays the gateway where no pod runs: answers `GET /status` and `POST /drain` on an address of its own."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from aiohttp import web

from icefield_crds.names import GATEWAY_PORT
from icefield_crds.wire.gateway import GatewayStatus


class Gateway:
    """A small HTTP server on the loopback device, whose answers a test decides."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.spark = False
        self.running = 0
        self.last_activity = datetime.now(UTC)
        self.broken = False
        """Whether it answers with an error."""
        self.draining = False
        self.asked = 0
        self.refused = 0
        # Any address of 127.0.0.0/8 is this machine's own, so that each test has one.
        self.address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])  # noqa: S311
        app = web.Application()
        app.add_routes([web.get("/status", self._status), web.post("/drain", self._drain)])
        self._runner = web.AppRunner(app, access_log=None)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.address}:{GATEWAY_PORT}"

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address, GATEWAY_PORT).start()

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _drain(self, request: web.Request) -> web.Response:
        self.draining = True
        return await self._status(request)

    async def _status(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused += 1
            return web.json_response({"error": "the token is wrong"}, status=401)
        if self.broken:
            return web.json_response({"error": "broken"}, status=500)
        status = GatewayStatus(
            spark=self.spark, running=self.running, last_activity=self.last_activity, draining=self.draining
        )
        return web.json_response(status.to_json())

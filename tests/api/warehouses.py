"""Warehouses as the operator would keep them: a Warehouse's status, and the real gateway process behind it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from icefield_apiserver.kube.client import MERGE_PATCH, path_of
from icefield_cluster import processes
from icefield_crds import Warehouse
from icefield_crds.meta import format_time
from icefield_crds.names import WAREHOUSE_TOKEN_SECRET, namespace_of
from tests.controlplane import ControlPlane

from .lakehouse import Lakehouse
from .playing import eventually

TOKEN = "token-of-the-gateways"
STARTED = "2026-06-01T08:00:00Z"


def furnish_with_token(control_plane: ControlPlane, slug: str) -> None:
    """Make the Secret with the token of the workspace's gateways, as the operator would."""
    metadata = {"name": WAREHOUSE_TOKEN_SECRET, "namespace": namespace_of(slug)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": TOKEN}}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(secret))


async def set_warehouse_status(app: FastAPI, slug: str, name: str, status: Mapping[str, Any]) -> None:
    """Write a Warehouse's status, and wait until the server's cache has it; None clears a field."""
    cluster, namespace = app.state.cluster, namespace_of(slug)
    path = f"{path_of(Warehouse, namespace, name)}/status"
    answer = await cluster.client.call("PATCH", path, body={"status": dict(status)}, content_type=MERGE_PATCH)
    written = Warehouse.model_validate(answer)

    async def is_seen() -> bool:
        seen = cluster.warehouses.store.get(namespace, name)
        return seen is not None and seen.status == written.status

    await eventually(is_seen)


@dataclass
class RunningGateway:
    """The gateway of one warehouse, on the loopback device."""

    lakehouse: Lakehouse
    folder: Path
    port: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    _process: processes.Process | None = None

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it on a free port, and wait until it is ready."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        slug = self.lakehouse.slug
        log = self.folder / "gateway.log"
        env = {
            **self.lakehouse.site.environment,
            **self.lakehouse.catalog.environment(slug),
            "ICEFIELD_WORKSPACE": slug,
            "ICEFIELD_GATEWAY_TOKEN": TOKEN,
            "ICEFIELD_GATEWAY_HOST": "127.0.0.1",
            "ICEFIELD_GATEWAY_PORT": str(self.port),
            "ICEFIELD_SPILL_DIRECTORY": str(self.folder),
            "ICEFIELD_MEMORY_LIMIT_BYTES": str(2 * 1024**3),
            "ICEFIELD_CPU_LIMIT": "2",
            "ICEFIELD_SPARK": "false",
            "ICEFIELD_DRAIN_SECONDS": "1",
            **self.variables,
        }
        argv = [sys.executable, "-m", "icefield_engines.warehouse"]
        self._process = await asyncio.to_thread(processes.spawn, "gateway", argv, log=log, env=env)
        give_up = time.monotonic() + 60
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    if (await client.get(f"{self.endpoint}/readyz")).is_success:
                        return
                except httpx.HTTPError:
                    pass
                if time.monotonic() > give_up:
                    raise TimeoutError(log.read_text())
                await asyncio.sleep(0.05)

    async def kill(self, grace: float = 0) -> None:
        """End it: at once, or within so many seconds."""
        if self._process:
            await asyncio.to_thread(processes.stop_pids, [self._process.pid], grace=grace)
            self._process = None


@asynccontextmanager
async def running_gateway(lakehouse: Lakehouse, **variables: str) -> AsyncIterator[RunningGateway]:
    """Start a gateway, and end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="icefield-gateway-") as folder:
        gateway = RunningGateway(lakehouse, Path(folder), variables=variables)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.kill()


def running(endpoint: str, *, spark: bool = False) -> dict[str, Any]:
    """Return the status of a warehouse that serves."""
    return {"phase": "running", "endpoint": endpoint, "sparkReady": spark, "startTime": STARTED, "error": None}


def stopped(**more: Any) -> dict[str, Any]:
    """Return the status of a warehouse that was stopped now."""
    return {
        "phase": "stopped",
        "endpoint": None,
        "sparkReady": False,
        "stopTime": format_time(datetime.now(UTC)),
    } | more

"""Warehouses as the operator would maintain them, the real gateway process behind them, and statements on them."""

from __future__ import annotations

import asyncio
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

from icefield_cluster import processes
from icefield_crds import Warehouse
from icefield_crds.meta import format_time
from icefield_crds.names import WAREHOUSE_TOKEN_SECRET, namespace_of
from icefield_kube.client import MERGE_PATCH
from icefield_kube.paths import path_of
from tests.api.lakehouse import Lakehouse
from tests.controlplane import ControlPlane
from tests.eventually import eventually

TOKEN = "token-of-the-gateways"
STARTED = "2026-06-01T08:00:00Z"


def furnish_with_token(control_plane: ControlPlane, slug: str, token: str = TOKEN) -> None:
    """Make the Secret with the token of the workspace's gateways, as the operator would."""
    metadata = {"name": WAREHOUSE_TOKEN_SECRET, "namespace": namespace_of(slug)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": token}}
    control_plane.client.apply(secret)


async def set_warehouse_status(app: FastAPI, slug: str, name: str, status: Mapping[str, Any]) -> None:
    """Write a Warehouse's status, and wait until the server's cache has it; None clears a field."""
    cluster, namespace = app.state.core.cluster, namespace_of(slug)
    path = f"{path_of('Warehouse', namespace, name)}/status"
    answer = await cluster.client.call("PATCH", path, body={"status": dict(status)}, content_type=MERGE_PATCH)
    written = Warehouse.model_validate(answer)

    async def is_seen() -> bool:
        seen = cluster.cache(Warehouse).store.get(namespace, name)
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


async def run(client: httpx.AsyncClient, query: str, **body: Any) -> dict[str, Any]:
    """Run a statement on main, and return the answer, which is one of success."""
    answer = await client.post("/sql/execute", json={"query": query, "warehouse_id": "main", **body})
    assert answer.status_code in (200, 202), answer.text
    result: dict[str, Any] = answer.json()
    return result


async def ended(client: httpx.AsyncClient, statement_id: str, seconds: float = 30) -> dict[str, Any]:
    """Return a statement once it has ended."""
    return await until(client, statement_id, ("succeeded", "failed", "cancelled"), seconds)


async def until(
    client: httpx.AsyncClient, statement_id: str, statuses: tuple[str, ...], seconds: float = 30
) -> dict[str, Any]:
    """Return a statement once it has one of these statuses."""
    give_up = time.monotonic() + seconds
    while True:
        statement: dict[str, Any] = (await client.get(f"/sql/statements/{statement_id}")).json()
        if statement["status"] in statuses:
            return statement
        assert time.monotonic() < give_up, statement
        await asyncio.sleep(0.05)

"""The operator as the image starts it: its probes, its metrics, and its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.controlplane import ControlPlane, running_control_plane
from tests.eventually import eventually
from tests.object_store import REGION, RunningObjectStore

from .conftest import Place

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane of its own: a whole operator reconciles everything on it."""
    with running_control_plane() as plane:
        plane.apply_crds()
        yield plane


@pytest.fixture
async def process(
    control_plane: ControlPlane, object_store: RunningObjectStore, private_key: Path, place: Place
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """A ready `python -m icefield_operator`, and a client of its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    env = {
        **os.environ,
        "KUBECONFIG": str(control_plane.kubeconfig),
        "ICEFIELD_RUNTIME_IMAGE": "localhost/icefield/runtime:test",
        "ICEFIELD_TINI_IMAGE": "localhost/icefield/tini:test",
        "ICEFIELD_WAREHOUSE_IMAGE": "localhost/icefield/warehouse:test",
        "ICEFIELD_POLARS_IMAGE": "localhost/icefield/polars:test",
        "ICEFIELD_POLARS_CLOUD_IMAGE": "localhost/icefield/polars-cloud:test",
        "ICEFIELD_RUN_TOKEN_PRIVATE_KEY_FILE": str(private_key),
        "ICEFIELD_HEALTH_PORT": str(port),
        "ICEFIELD_OBJECT_STORE_PROVIDER": "static",
        "ICEFIELD_OBJECT_STORE_ENDPOINT": object_store.url,
        "ICEFIELD_OBJECT_STORE_REGION": REGION,
        "ICEFIELD_OBJECT_STORE_BUCKET": place.namespace,
        "ICEFIELD_OBJECT_STORE_ACCESS_KEY_ID": object_store.access_key_id,
        "ICEFIELD_OBJECT_STORE_SECRET_ACCESS_KEY": object_store.secret_access_key,
    }
    started = await asyncio.create_subprocess_exec(sys.executable, "-m", "icefield_operator", env=env)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

        async def is_ready() -> bool:
            assert started.returncode is None
            try:
                return (await client.get("/readyz")).is_success
            except httpx.TransportError:
                return False

        await eventually(is_ready)
        yield started, client
    if started.returncode is None:
        started.kill()
        await started.wait()


async def test_it_answers_probes_works_and_ends_when_asked(
    process: tuple[asyncio.subprocess.Process, httpx.AsyncClient], place: Place
) -> None:
    started, client = process
    assert (await client.get("/livez")).text == "ok"
    await place.create("Run", {"command": "true"}, "watched")
    await place.finished("watched")
    await place.phase("watched", "success")

    metrics = (await client.get("/metrics")).text
    assert re.search(r'^icefield_runs\{phase="success"\} [1-9]', metrics, re.M)
    assert re.search(r'^icefield_operator_reconcile_seconds_count\{kind="Run"\} [1-9]', metrics, re.M)
    assert re.search(r'^icefield_operator_watch_age_seconds\{kind="Pod"\} ', metrics, re.M)
    assert "icefield_run_start_seconds_count" in metrics
    assert "icefield_operator_queue_depth" in metrics

    started.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(started.wait(), 10) == 0

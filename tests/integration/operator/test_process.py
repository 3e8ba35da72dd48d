"""The operator as the image starts it: its probes, its metrics, its end, and its succession."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from icefield_crds.names import SYSTEM_NAMESPACE, pod_name
from icefield_operator.cluster import Cluster
from tests.controlplane import ControlPlane, running_control_plane
from tests.eventually import eventually
from tests.object_store import REGION, RunningObjectStore
from tests.prometheus import may_read_metrics

from .conftest import Place

pytestmark = pytest.mark.integration

LEASE_SECONDS = 5


@dataclass
class Process:
    """A `python -m icefield_operator`, and a client of its port."""

    child: asyncio.subprocess.Process
    client: httpx.AsyncClient
    name: str

    async def is_ready(self) -> bool:
        assert self.child.returncode is None
        try:
            return (await self.client.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", (await self.client.get("/metrics")).text, re.M)
        assert found
        return float(found[1])


Start = Callable[[str], Awaitable[Process]]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane of its own: a whole operator reconciles everything on it."""
    with running_control_plane() as plane:
        plane.apply_crds()
        plane.kubectl("create", "namespace", SYSTEM_NAMESPACE)
        yield plane


@pytest.fixture(scope="module")
def metrics_reader(control_plane: ControlPlane) -> dict[str, str]:
    """The headers of requests that may read metrics."""
    return may_read_metrics(control_plane)


@pytest.fixture
async def start(
    control_plane: ControlPlane,
    object_store: RunningObjectStore,
    private_key: Path,
    place: Place,
    metrics_reader: dict[str, str],
) -> AsyncIterator[Start]:
    """A starter of operators: `await start("a")` returns one that is ready."""
    env = {
        **os.environ,
        "KUBECONFIG": str(control_plane.kubeconfig),
        "ICEFIELD_RUNTIME_IMAGE": "localhost/icefield/runtime:test",
        "ICEFIELD_TINI_IMAGE": "localhost/icefield/tini:test",
        "ICEFIELD_WAREHOUSE_IMAGE": "localhost/icefield/warehouse:test",
        "ICEFIELD_POLARS_IMAGE": "localhost/icefield/polars:test",
        "ICEFIELD_POLARS_CLOUD_IMAGE": "localhost/icefield/polars-cloud:test",
        "ICEFIELD_RUN_TOKEN_PRIVATE_KEY_FILE": str(private_key),
        "ICEFIELD_LEASE_SECONDS": str(LEASE_SECONDS),
        "ICEFIELD_OBJECT_STORE_PROVIDER": "static",
        "ICEFIELD_OBJECT_STORE_ENDPOINT": object_store.url,
        "ICEFIELD_OBJECT_STORE_REGION": REGION,
        "ICEFIELD_OBJECT_STORE_BUCKET": place.namespace,
        "ICEFIELD_OBJECT_STORE_ACCESS_KEY_ID": object_store.access_key_id,
        "ICEFIELD_OBJECT_STORE_SECRET_ACCESS_KEY": object_store.secret_access_key,
    }

    @asynccontextmanager
    async def running(name: str) -> AsyncIterator[Process]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        own = {"ICEFIELD_HEALTH_PORT": str(port), "ICEFIELD_POD_NAME": name}
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", "icefield_operator", env=env | own)
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, headers=metrics_reader, trust_env=False) as client:
                process = Process(child, client, name)
                await eventually(process.is_ready, 120)
                yield process
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async with AsyncExitStack() as stack:
        yield lambda name: stack.enter_async_context(running(name))


async def _leader(cluster: Cluster) -> str:
    lease = await cluster.get("Lease", SYSTEM_NAMESPACE, "icefield-operator-leader")
    return str(lease["spec"]["holderIdentity"]) if lease else ""


async def _leads(cluster: Cluster, process: Process) -> bool:
    return await _leader(cluster) == process.name


async def test_it_answers_probes_works_and_ends_when_asked(start: Start, place: Place) -> None:
    process = await start("only")
    assert (await process.client.get("/livez")).text == "ok"
    await place.create("Run", {"command": "true"}, "watched")
    await place.finished("watched")
    await place.phase("watched", "success")

    assert await process.metric('icefield_runs{phase="success"}') >= 1
    assert await process.metric('icefield_operator_reconcile_seconds_count{kind="Run"}') >= 1
    assert await process.metric("icefield_operator_leader") == 1
    metrics = (await process.client.get("/metrics")).text
    assert re.search(r'^icefield_operator_watch_age_seconds\{kind="Pod"\} ', metrics, re.M)
    assert "icefield_run_start_seconds_count" in metrics
    assert "icefield_operator_queue_depth" in metrics
    for headers, status in (({"Authorization": ""}, 401), ({"Authorization": "Bearer invented"}, 401)):
        assert (await process.client.get("/metrics", headers=headers)).status_code == status

    process.child.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.child.wait(), 10) == 0
    assert await _leader(place.cluster) == ""


async def test_a_standby_takes_over_from_a_killed_a_stopped_and_a_frozen_leader(start: Start, place: Place) -> None:
    """Each run's one pod is made by whoever leads, and no successor makes another.

    A leader that is asked to end may still make the pod of a run that comes at that moment.
    """
    leader = await start("one")
    for successor_name, end in (("two", signal.SIGKILL), ("three", signal.SIGTERM), ("four", signal.SIGSTOP)):
        successor = await start(successor_name)
        assert await _leader(place.cluster) == leader.name
        assert await successor.metric("icefield_operator_leader") == 0
        run = f"begun-by-{leader.name}"
        await place.create("Run", {"command": "true"}, run)
        await place.pod(run)
        leader.child.send_signal(end)
        await place.create("Run", {"command": "true"}, f"left-by-{leader.name}")
        await place.pod(f"left-by-{leader.name}")
        await eventually(partial(_leads, place.cluster, successor), 60)
        if end is signal.SIGSTOP:
            # It still believes that it leads, until it looks at the clock.
            leader.child.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(leader.child.wait(), 10) in (0, 1, -signal.SIGKILL)
        leader = successor
    runs = [f"{how}-by-{name}" for how in ("begun", "left") for name in ("one", "two", "three")]
    assert await place.pods() == sorted(pod_name(run, "main", 0) for run in runs)
    for run in runs:
        await place.finished(run)
        await place.phase(run, "success")

"""Chains of two pods: by a bare script, and as runs of a job through REST."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential
from tests.eventually import eventually

from icefield_crds.names import GROUP, VERSION
from icefield_kube.client import KubeClient, Manifest
from icefield_kube.errors import AlreadyExists, KubernetesError

from .site import NAMESPACE, Site

CLIENTS = 24
PROBE_SECONDS = 0.1
ENDED = ("success",)
RUNNING = ("running",)
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
RUNS = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/runs"
MINUTES = 30


@dataclass
class Burst:
    """What was measured while a number of runs lived."""

    count: int
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each program of the installation, and of this one."""
    calls: dict[str, float] = field(default_factory=dict)
    posts: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)


async def chain_bare(site: Site, kubernetes: KubeClient, count: int, spec: Manifest) -> Burst:
    """Measure a script that creates the first pod of each chain, and the second once it has succeeded.

    Args:
        site: the installation.
        kubernetes: with a connection pool.
        count: how many chains.
        spec: of every pod.
    """
    batch = f"bare-{secrets.token_hex(4)}"
    slots, pending = asyncio.Semaphore(CLIENTS), count
    succeeded: set[str] = set()

    async def create(name: str) -> None:
        async with slots:
            metadata = {"name": name, "labels": {"benchmark": batch}}
            await kubernetes.call(
                "POST", PODS, body={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            )

    burst, before = Burst(count), _Usage(site)
    started = time.monotonic()
    watch = _watch(kubernetes, PODS, f"benchmark={batch}")
    async with asyncio.timeout(MINUTES * 60), asyncio.TaskGroup() as group, watch as pods:
        for number in range(count):
            group.create_task(create(f"{batch}-{number}-0"))
        async for pod in pods:
            name = pod["metadata"]["name"]
            if pod["status"].get("phase") != "Succeeded" or name in succeeded:
                continue
            succeeded.add(name)
            if name.endswith("-0"):
                group.create_task(create(f"{name[:-2]}-1"))
            elif not (pending := pending - 1):
                break
    burst.seconds = time.monotonic() - started
    before.subtract_from(_Usage(site), burst)
    return burst


async def chain_through_icefield(site: Site, kubernetes: KubeClient, count: int, job: str) -> Burst:
    """Submit that many runs of a job at once, wait for their end, and return what was measured.

    Args:
        site: the installation.
        kubernetes: watches the runs.
        count: how many.
        job: id of the job.
    """
    burst, ids = Burst(count), list[str]()
    before = _Usage(site)
    started = time.monotonic()
    async with asyncio.timeout(MINUTES * 60), asyncio.TaskGroup() as group:
        ended = group.create_task(_wait_for_phase(kubernetes, count, ENDED))
        probes = [
            group.create_task(_probe(site, ids, burst.reads)),
            group.create_task(_probe_list(site, ids, burst.lists)),
        ]
        numbers = iter(range(count))
        for _ in range(CLIENTS):
            group.create_task(_submit(site, job, numbers, ids, burst.posts))
        await ended
        burst.seconds = time.monotonic() - started
        for probe in probes:
            probe.cancel()
    before.subtract_from(_Usage(site), burst)
    return burst


class _Usage:
    """CPU time of all programs, and the calls of ours."""

    def __init__(self, site: Site) -> None:
        self._cpu = site.cpu_seconds()
        self._calls = [program.calls() for program in (site.operator, site.apiserver)]

    def subtract_from(self, later: _Usage, burst: Burst) -> None:
        """Write the difference to a later usage into a burst."""
        burst.cpu = {name: now - self._cpu.get(name, 0.0) for name, now in later._cpu.items()}
        for then, now in zip(self._calls, later._calls, strict=True):
            for name, value in now.items():
                burst.calls[name] = burst.calls.get(name, 0.0) + value - then.get(name, 0.0)


async def _submit(site: Site, job: str, numbers: Iterator[int], ids: list[str], took: list[float]) -> None:
    async with site.rest() as rest:
        for _ in numbers:
            sent = time.perf_counter()
            answer = (await rest.post(f"/jobs/{job}/run")).raise_for_status()
            took.append(time.perf_counter() - sent)
            ids.append(answer.json()["run_id"])


async def _probe(site: Site, ids: list[str], took: list[float]) -> None:
    async with site.rest() as rest:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if ids:
                await _timed(rest, f"/runs/{random.choice(ids)}", took)  # noqa: S311


async def _probe_list(site: Site, ids: list[str], took: list[float]) -> None:
    async with site.rest() as rest:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if ids:
                await _timed(rest, "/runs?limit=50", took)


async def _timed(rest: httpx.AsyncClient, path: str, took: list[float]) -> None:
    sent = time.perf_counter()
    (await rest.get(path)).raise_for_status()
    took.append(time.perf_counter() - sent)


async def _wait_for_phase(kubernetes: KubeClient, count: int, phases: Collection[str]) -> None:
    """Return once that many runs have had one of these phases."""
    reached: set[str] = set()
    async with _watch(kubernetes, RUNS, "") as runs:
        async for run in runs:
            phase = run.get("status", {}).get("phase")
            assert phase != "failed", run["status"]
            if phase in phases:
                reached.add(run["metadata"]["name"])
                if len(reached) == count:
                    return


async def _patiently(call: Callable[[], Awaitable[Manifest]]) -> Manifest:
    """Make a call again while the API server is too busy to answer, as a script has to."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, KubernetesError) and error.status >= 500),
        wait=wait_exponential(multiplier=0.1, max=5),
        stop=stop_after_delay(120),
        reraise=True,
    )

    async def once() -> Manifest:
        return await call()

    try:
        return await retrying(once)
    except AlreadyExists as error:
        return {"message": error.message}


@asynccontextmanager
async def _watch(kubernetes: KubeClient, path: str, selector: str) -> AsyncIterator[AsyncIterator[Manifest]]:
    """Yield the objects of a collection as they change, from now on."""
    version = (await kubernetes.call("GET", path, query={"limit": "1"}))["metadata"]["resourceVersion"]

    async def objects() -> AsyncIterator[Manifest]:
        nonlocal version
        while True:
            # kube-apiserver ends the watch of a client that does not keep up for a moment.
            query = {"watch": "true", "resourceVersion": version, "labelSelector": selector}
            async with kubernetes.stream(path, query, idle_seconds=300) as lines:
                async for line in lines:
                    changed = json.loads(line)["object"]
                    version = changed["metadata"]["resourceVersion"]
                    yield changed

    async with aclosing(objects()) as changes:
        yield changes


async def make_job(site: Site, tasks: list[dict[str, Any]]) -> str:
    """Create a job and return its id."""
    async with site.rest() as rest:
        answer = await rest.post("/jobs", json={"name": f"bench-{secrets.token_hex(4)}", "tasks": tasks})
        return str(answer.raise_for_status().json()["id"])


async def clear(kubernetes: KubeClient) -> None:
    """Delete every run and pod, and wait until they are gone."""

    async def are_gone() -> bool:
        pages = [await kubernetes.call("GET", path, query={"limit": "1"}) for path in (RUNS, PODS)]
        return not any(page["items"] for page in pages)

    for path in (RUNS, PODS):
        await _patiently(lambda path=path: kubernetes.call("DELETE", path, query={"gracePeriodSeconds": "0"}))
    await eventually(are_gone, patience=MINUTES * 60)


async def memory_of_live_runs(site: Site, kubernetes: KubeClient, count: int, job: str) -> float:
    """Return the operator's memory, in bytes, of one of that many runs whose tasks run and do not end."""
    before = site.operator.resident_bytes()
    numbers = iter(range(count))
    async with asyncio.timeout(MINUTES * 60), asyncio.TaskGroup() as group:
        group.create_task(_wait_for_phase(kubernetes, count, RUNNING))
        for _ in range(CLIENTS):
            group.create_task(_submit(site, job, numbers, [], []))
    return (site.operator.resident_bytes() - before) / count

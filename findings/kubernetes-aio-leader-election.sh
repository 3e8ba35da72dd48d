#!/usr/bin/env bash
# The leader election of the official Python client (kubernetes.aio): it cannot make its Lease, and where there is one, a
# refused connection ends the election but not the leading.
#
# Versions   kubernetes 37.0.1, aiohttp 3.14.5
# Expected   As in client-go: the first candidate creates the Lease; who cannot renew it until the renew deadline stops to
#            lead (onstopped_leading is called, onstarted_leading cancelled), and a failed request is only a reason to try
#            again until then.
# Seen       LeaseLock.create passes `pretty=True` to a call that takes a string, so `run` ends with pydantic's
#            ValidationError before anything is sent. With a Lease made beforehand a candidate leads; but the lock
#            catches ApiException alone, so when the API server is gone, aiohttp's error leaves `run` at the first try,
#            long before the deadline. onstopped_leading is not called, and onstarted_leading is not cancelled: it goes on
#            while another candidate takes the Lease.
# Fails      when the Lease can be created, when the first failed request no longer ends `run`, or leading ends with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes==37.0.1 aiohttp==3.14.5
NO_PROXY="*" timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock
from pydantic import ValidationError

RENEW_DEADLINE_SECONDS = 10
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
writes, steps, stops = [], [], []


@asynccontextmanager
async def api_server(lease: dict):
    async def read(_: web.Request) -> web.Response:
        return web.json_response(lease or {"kind": "Status", "code": 404}, status=200 if lease else 404)

    async def write(request: web.Request) -> web.Response:
        writes.append(request.method)
        lease.update(await request.json())
        return web.json_response(lease)

    app = web.Application()
    app.add_routes([web.get(LEASES + "/lock", read), web.post(LEASES, write), web.put(LEASES + "/lock", write)])
    server = web.AppRunner(app, shutdown_timeout=0)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    try:
        yield server, Configuration(host=f"http://127.0.0.1:{server.addresses[0][1]}")
    finally:
        await server.cleanup()


def election(api: ApiClient) -> LeaderElection:
    async def lead() -> None:
        while True:
            steps.append(time.monotonic())
            await asyncio.sleep(0.05)

    async def stop_leading() -> None:
        stops.append(time.monotonic())

    lock = LeaseLock("lock", "default", "candidate", api)
    return LeaderElection(
        Config(lock, lease_duration=17, renew_deadline=RENEW_DEADLINE_SECONDS, retry_period=1,
               onstarted_leading=lead, onstopped_leading=stop_leading)
    )


async def without_a_lease() -> None:
    async with api_server({}) as (_, configuration), ApiClient(configuration) as api:
        try:
            await election(api).run()
        except ValidationError as error:
            print(f"no Lease yet: {error.error_count()} validation error for {error.title}; requests to write: {writes}")
            assert not writes and not steps
        else:
            raise AssertionError("the Lease was created")


async def with_a_lease() -> None:
    lease = {"metadata": {"name": "lock", "namespace": "default"}}
    async with api_server(lease) as (server, configuration), ApiClient(configuration) as api:
        running = asyncio.create_task(election(api).run())
        while not steps:
            await asyncio.sleep(0.05)
        await server.cleanup()
        gone = time.monotonic()
        try:
            await running
            raise AssertionError("the election went on to its deadline")
        except aiohttp.ClientError as error:
            ended_after, known = time.monotonic() - gone, len(steps)
            await asyncio.sleep(1)
            print(f"a Lease: run ended {ended_after:.1f} s after the server went, with {type(error).__name__}")
        print(f"onstopped_leading was called {len(stops)} times; steps of leading since then: {len(steps) - known}")
        assert ended_after < RENEW_DEADLINE_SECONDS / 2
        assert not stops
        assert len(steps) > known


async def main() -> None:
    await without_a_lease()
    await with_a_lease()


asyncio.run(main())
PYTHON

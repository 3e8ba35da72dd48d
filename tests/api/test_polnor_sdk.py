"""The published `polnor` client's jobs module, unmodified, against the server over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import polnor.jobs
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from polnor._client import Client, Config, PolnorAPIError

from tests.eventually import eventually

from .conftest import ADMIN, MakeWorkspace, SignIn
from .playing import run_name, set_run_status

pytestmark = pytest.mark.integration

T = TypeVar("T")


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """Serve a running application on a free port of the loopback device, and give its URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())

    async def is_up() -> bool:
        return server.started

    await eventually(is_up)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace."""
    return await make_workspace("sdk", quotas={"max_running_runs": 1})


@pytest_asyncio.fixture
async def admin_there(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    """An administrator in that workspace."""
    return await sign_in(ADMIN, workspace=slug)


@pytest_asyncio.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    """Where the server listens."""
    async with listening(app) as url:
        yield url


@pytest.fixture
def sdk(url: str, admin_there: httpx.AsyncClient, slug: str) -> Client:
    """The SDK's client with the administrator's token."""
    token = admin_there.headers["Authorization"].removeprefix("Bearer ")
    return Client(Config(api_url=url, token=token, workspace_slug=slug))


async def call(function: Callable[..., T], *args: Any, **named: Any) -> T:
    """Call the SDK, which blocks, beside the server."""
    return await asyncio.to_thread(function, *args, **named)


async def test_a_dag_from_creation_to_its_end(
    app: FastAPI, sdk: Client, admin_there: httpx.AsyncClient, slug: str
) -> None:
    tasks = [
        {"key": "extract", "command": "python extract.py", "image": "python:3.11"},
        {"key": "transform", "command": "python tx.py", "image": "python:3.11", "depends_on": ["extract"]},
    ]
    job = await call(polnor.jobs.create, name="etl", tasks=tasks, env_vars={"A": "1"}, max_retries=2, client=sdk)
    assert await call(polnor.jobs.get, "etl", client=sdk) == job
    assert [listed["id"] for listed in await call(polnor.jobs.list, client=sdk)] == [job["id"]]

    run_id = await call(polnor.jobs.run, "etl", params={"day": "2026-06-01", "n": 3}, client=sdk)
    assert run_id.startswith("run_")
    assert (await call(polnor.jobs.get_run, run_id, client=sdk))["status"] == "pending"
    with pytest.raises(PolnorAPIError, match=r"429.*max_running_runs=1, current=1"):
        await call(polnor.jobs.run, "etl", client=sdk)

    waiting = asyncio.create_task(call(polnor.jobs.wait, run_id, timeout=60, poll_every=0.05, client=sdk))
    times = {"startTime": "2026-06-01T08:00:00Z", "completionTime": "2026-06-01T08:00:01Z"}
    extract = {"key": "extract", "status": "success", "retryCount": 1, "exitCode": 0, **times}
    transform = {"key": "transform", "status": "success", "exitCode": 0, **times}
    name = await run_name(admin_there, run_id)
    await set_run_status(app, f"icefield-{slug}", name, {"phase": "success", "tasks": [extract, transform]})
    assert (await waiting)["status"] == "success"

    rows = await call(polnor.jobs.list_tasks, run_id, client=sdk)
    assert [(row["key"], row["status"], row["retry_count"], row["exit_code"]) for row in rows] == [
        ("extract", "success", 1, 0),
        ("transform", "success", 0, 0),
    ]
    assert {"started_at", "finished_at", "error"} <= rows[0].keys()
    assert await call(polnor.jobs.logs, run_id, task_key="extract", client=sdk) == []
    assert await call(polnor.jobs.logs, run_id, client=sdk) == []

    await call(polnor.jobs.delete, "etl", client=sdk)
    with pytest.raises(PolnorAPIError, match="404"):
        await call(polnor.jobs.get, "etl", client=sdk)


async def test_a_single_command_is_cancelled(sdk: Client) -> None:
    await call(polnor.jobs.create, name="one", command="sleep 60", image="python:3.11", timeout_seconds=60, client=sdk)
    run_id = await call(polnor.jobs.run, "one", client=sdk)
    assert await call(polnor.jobs.list_tasks, run_id, client=sdk) == []
    assert (await call(polnor.jobs.cancel_run, run_id, client=sdk))["id"] == run_id
    assert (await call(polnor.jobs.cancel_run, run_id, client=sdk))["id"] == run_id


async def test_a_follower_that_leaves_is_noticed(
    app: FastAPI, url: str, sdk: Client, admin_there: httpx.AsyncClient, slug: str
) -> None:
    await call(polnor.jobs.create, name="one", command="sleep 60", image="python:3.11", client=sdk)
    run_id = await call(polnor.jobs.run, "one", client=sdk)
    await set_run_status(app, f"icefield-{slug}", await run_name(admin_there, run_id), {"phase": "running"})

    async def is_followed() -> bool:
        return any("interleaved" in repr(task.get_coro()) for task in asyncio.all_tasks())

    async def is_left() -> bool:
        return not await is_followed()

    async with (
        httpx.AsyncClient(base_url=url, headers=admin_there.headers) as client,
        client.stream("GET", f"/api/v1/runs/{run_id}/logs", params={"follow": "true"}) as answer,
    ):
        assert answer.status_code == 200
        await eventually(is_followed)
    await eventually(is_left)

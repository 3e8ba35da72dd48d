"""Calls and streams against an HTTP server: what is sent, and how each failure is reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes.aio.client import Configuration

from icefield_kube.client import APPLY_PATCH, KubeClient, delete_options
from icefield_kube.errors import Conflict, NotFound, Unreachable

TIMEOUT_SECONDS = 0.5


class Server:
    """Answers each path in its own way, and records what it received."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, dict[str, str], dict[str, str], Any]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = json.loads(text) if text else None
        self.received.append((request.method, request.path, dict(request.query), headers, body))
        if request.path == "/missing":
            return web.json_response({"kind": "Status", "message": "gone", "reason": "NotFound"}, status=404)
        if request.path == "/conflict":
            return web.Response(status=409, text="<html>", headers={"Retry-After": "7"})
        if request.path == "/slow":
            await asyncio.sleep(5)
        if request.path == "/late":
            await asyncio.sleep(2 * TIMEOUT_SECONDS)
        if request.path == "/lines":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"one\ntwo\n")
            if "stall" in request.query:
                await asyncio.sleep(5)
            return response
        return web.json_response({"metadata": {"name": "x"}})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[Server, KubeClient]]:
    """A server and a client of it."""
    served = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    configuration = Configuration(host=f"http://127.0.0.1:{port}", api_key={"BearerToken": "Bearer t0ken"})
    client = KubeClient(configuration, TIMEOUT_SECONDS)
    yield served, client
    await client.close()
    await runner.cleanup()


async def test_a_call_sends_its_body_query_and_headers(server: tuple[Server, KubeClient]) -> None:
    served, client = server
    answer = await client.call(
        "PATCH",
        "/things/x",
        query={"fieldManager": "me"},
        body={"a": [1]},
        content_type=APPLY_PATCH,
        headers={"Impersonate-User": "ann"},
    )
    assert answer == {"metadata": {"name": "x"}}
    ((method, path, query, headers, body),) = served.received
    assert (method, path, query, body) == ("PATCH", "/things/x", {"fieldManager": "me"}, {"a": [1]})
    assert headers["content-type"] == APPLY_PATCH
    assert headers["impersonate-user"] == "ann"
    assert headers["authorization"] == "Bearer t0ken"


async def test_a_refusal_is_the_error_of_its_status(server: tuple[Server, KubeClient]) -> None:
    _, client = server
    with pytest.raises(NotFound) as missing:
        await client.call("GET", "/missing")
    assert (missing.value.message, missing.value.reason) == ("gone", "NotFound")
    with pytest.raises(Conflict) as conflict:
        await client.call("GET", "/conflict")
    assert (conflict.value.message, conflict.value.retry_after) == ("<html>", 7.0)
    with pytest.raises(NotFound):
        async with client.stream("/missing", {}, idle_seconds=None):
            pass


async def test_no_answer_in_time_or_at_all_is_unreachable(server: tuple[Server, KubeClient]) -> None:
    _, client = server
    with pytest.raises(Unreachable):
        await client.call("GET", "/slow")
    with pytest.raises(Unreachable):
        async with client.stream("/slow", {}, idle_seconds=None):
            pass
    nowhere = KubeClient(Configuration(host="http://127.0.0.1:1"), TIMEOUT_SECONDS)
    with pytest.raises(Unreachable):
        await nowhere.call("GET", "/")
    await nowhere.close()


async def test_a_stream_is_read_as_it_arrives_and_a_silent_one_times_out(server: tuple[Server, KubeClient]) -> None:
    _, client = server
    async with client.stream("/lines", {}, idle_seconds=None) as stream:
        assert [line async for line in stream] == [b"one\n", b"two\n"]
    async with client.stream("/lines", {"stall": "yes"}, idle_seconds=0.2) as stream:
        assert await stream.readline() == b"one\n"
        await stream.readline()
        with pytest.raises(TimeoutError):
            await stream.readline()


async def test_a_stream_may_begin_late(server: tuple[Server, KubeClient]) -> None:
    _, client = server
    async with client.stream("/late", {}, idle_seconds=None, head_seconds=5) as stream:
        assert await stream.read() == b'{"metadata": {"name": "x"}}'


async def test_credentials_are_those_of_the_client(server: tuple[Server, KubeClient]) -> None:
    _, client = server
    credentials = await client.credentials()
    assert (credentials.scheme, credentials.token, credentials.insecure) == ("Bearer", "t0ken", False)


def test_delete_options_have_only_the_preconditions_given() -> None:
    assert delete_options(uid="u")["preconditions"] == {"uid": "u"}
    assert delete_options()["preconditions"] == {}

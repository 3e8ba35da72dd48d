"""Reading what pods hold, from an HTTP server that answers as the Kubernetes API does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from icefield_apiserver.features.logs import pod as module
from icefield_apiserver.features.logs.pod import PodLogs, PodLogUnavailable, TaskPod
from icefield_kube.client import KubeClient

LINE = b"2026-06-01T08:00:00.000000000Z one\n"


class Server:
    """Answers after a moment; a pod named `endless` has a log without an end."""

    def __init__(self) -> None:
        self.opening = self.most_opening = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "missing":
            return web.json_response({"kind": "Status", "message": "gone", "reason": "NotFound"}, status=404)
        self.opening += 1
        self.most_opening = max(self.most_opening, self.opening)
        await asyncio.sleep(0.02)
        self.opening -= 1
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(LINE)
        while name == "endless":
            await answer.write(LINE * 1000)
        return answer


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, PodLogs]]:
    server = Server()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/ns/pods/{name}/log", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = KubeClient(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    try:
        yield server, PodLogs(client)
    finally:
        await client.close()
        await runner.cleanup()


def pod(name: str) -> TaskPod:
    return TaskPod("ns", name, "a", 0)


async def read(logs: PodLogs, name: str) -> list[str]:
    return [line.message async for lines in logs.read(pod(name), None) for line in lines]


async def test_many_reads_are_opened_in_turn_and_a_slow_reader_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPENINGS_AT_ONCE", 3)
    async with serving() as (server, logs):
        slow = [logs.read(pod("endless"), None) for _ in range(3)]
        for each in slow:
            await anext(each)
        assert await asyncio.wait_for(asyncio.gather(*(read(logs, "x") for _ in range(20))), 10) == [["one"]] * 20
        assert server.most_opening <= 3
        for each in slow:
            await each.aclose()


async def test_turns_are_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPENINGS_AT_ONCE", 0)
    monkeypatch.setattr(module, "TURN_SECONDS", 0.05)
    async with serving() as (_, logs):
        assert await read(logs, "x") == ["one"]


async def test_a_pod_that_is_gone_is_no_end_of_its_log() -> None:
    async with serving() as (_, logs):
        with pytest.raises(PodLogUnavailable):
            async with aclosing(logs.read(pod("missing"), None)) as lines:
                await anext(lines)

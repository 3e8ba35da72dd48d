"""A reflector lists, watches, resumes where it was, and lists again when its version has expired."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from icefield_kube import watch
from icefield_kube.client import KubeClient, Manifest
from icefield_kube.errors import KubernetesError, Unreachable
from icefield_kube.watch import Reflector, pages


def item(name: str, version: int) -> Manifest:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": item(name, version)}


class ScriptedClient(KubeClient):
    """Answers lists and watches from a script; `None` at its end stays silent."""

    def __init__(self, lists: list[Manifest], watches: list[list[Any] | Exception]) -> None:
        self.lists = lists
        self.watches = watches
        self.queries: list[dict[str, str]] = []

    async def call(self, method: str, path: str, *, query: Mapping[str, str] | None = None, **_: Any) -> Manifest:
        self.queries.append(dict(query or {}))
        return self.lists.pop(0)

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], *, idle_seconds: float | None) -> AsyncIterator[Any]:
        self.queries.append(dict(query))
        if not self.watches:
            await asyncio.Event().wait()
        script = self.watches.pop(0)
        if isinstance(script, Exception):
            raise script

        async def lines() -> AsyncIterator[bytes]:
            for each in script:
                yield each if isinstance(each, bytes) else json.dumps(each).encode()

        yield lines()


class Received:
    """What was delivered, by name."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.lists: list[int] = []

    def replace(self, items: list[Manifest], version: int) -> None:
        self.lists.append(version)
        self.versions = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}

    def put(self, item: Manifest) -> None:
        self.versions[item["metadata"]["name"]] = item["metadata"]["resourceVersion"]

    def remove(self, uid: str) -> None:
        self.versions.pop(uid, None)


def listed(version: int, *items: Manifest, token: str = "") -> Manifest:
    return {"metadata": {"resourceVersion": str(version), "continue": token}, "items": list(items)}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_BACK_OFF", lambda _: 0.0)


async def run(client: ScriptedClient) -> tuple[Received, Reflector]:
    """Run a reflector until its script is used up."""
    received = Received()
    reflector = Reflector(client, "/things", received)
    running = asyncio.create_task(reflector.run())
    async with asyncio.timeout(5):
        await reflector.wait_until_synced()
        while client.watches:  # noqa: ASYNC110 - the script is a list
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return received, reflector


def versions_watched(client: ScriptedClient) -> list[str]:
    return [query["resourceVersion"] for query in client.queries if "watch" in query]


async def test_events_are_delivered_and_a_watch_continues_at_the_last_version() -> None:
    first = [event("ADDED", "b", 6), event("DELETED", "a", 7), event("BOOKMARK", "", 9)]
    client = ScriptedClient([listed(5, item("a", 1))], [first, [event("MODIFIED", "b", 10)]])
    received, reflector = await run(client)
    assert received.versions == {"b": "10"}
    assert received.lists == [5]
    assert versions_watched(client)[:2] == ["5", "9"]
    assert reflector.is_synced
    assert reflector.silence_seconds < 5


@pytest.mark.parametrize(
    "expired",
    [
        KubernetesError.of(410, "{}"),
        [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}],
    ],
)
async def test_an_expired_version_is_listed_again(expired: Any) -> None:
    client = ScriptedClient([listed(5, item("a", 1)), listed(8, item("b", 2))], [expired, []])
    received, _ = await run(client)
    assert received.lists == [5, 8]
    assert received.versions == {"b": "2"}


@pytest.mark.parametrize(
    "failure",
    [
        Unreachable("reset"),
        TimeoutError(),
        OSError("broken pipe"),
        [{"type": "ERROR", "object": {"code": 500, "message": "etcd"}}],
    ],
)
async def test_a_broken_connection_resumes_without_a_new_list(failure: Any) -> None:
    client = ScriptedClient([listed(5)], [[event("ADDED", "a", 6)], failure, [event("ADDED", "b", 7)]])
    received, _ = await run(client)
    assert received.lists == [5]
    assert set(received.versions) == {"a", "b"}
    assert versions_watched(client)[:3] == ["5", "6", "6"]


async def test_what_cannot_be_parsed_is_listed_again() -> None:
    client = ScriptedClient([listed(5), listed(6, item("a", 6))], [[b"<html>"], []])
    received, _ = await run(client)
    assert received.lists == [5, 6]


async def test_a_list_has_every_page() -> None:
    client = ScriptedClient([listed(5, item("a", 1), token="next"), listed(5, item("b", 2))], [])
    found = [each async for page in pages(client, "/things", label_selector="a=b") for each in page["items"]]
    assert [each["metadata"]["name"] for each in found] == ["a", "b"]
    assert client.queries[1] == {"limit": "500", "labelSelector": "a=b", "continue": "next"}

"""A reflector lists, watches, resumes where it was, and lists again when its version has expired."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Mapping, Set
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

    def __init__(self, lists: list[Manifest | Exception], watches: list[list[Any] | Exception]) -> None:
        self.lists = lists
        self.watches = watches
        self.queries: list[dict[str, str]] = []

    async def call(self, method: str, path: str, *, query: Mapping[str, str] | None = None, **_: Any) -> Manifest:
        self.queries.append(dict(query or {}))
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

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
                if isinstance(each, Exception):
                    raise each
                yield each if isinstance(each, bytes) else json.dumps(each).encode()

        yield lines()


class Received:
    """What was delivered, by name."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.lists: list[int] = []
        self.news: list[tuple[str, str]] = []
        """(name, resourceVersion) of all that was put, in order."""

    def put(self, item: Manifest) -> None:
        if item["metadata"]["name"] == "poison":
            raise ValueError("poison")
        self.versions[item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
        self.news.append((item["metadata"]["name"], item["metadata"]["resourceVersion"]))

    def remove(self, item: Manifest) -> None:
        self.versions.pop(item["metadata"]["uid"], None)

    def retain(self, listed: Set[str], version: int) -> None:
        self.lists.append(version)
        self.versions = {name: known for name, known in self.versions.items() if name in listed}


def listed(version: int, *items: Manifest, token: str = "") -> Manifest:
    return {"metadata": {"resourceVersion": str(version), "continue": token}, "items": list(items)}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_BACK_OFF", lambda _: 0.0)


async def run(
    client: ScriptedClient, received: Received | None = None, *, lists: int = 1
) -> tuple[Received, Reflector]:
    """Run a reflector until its script is used up, and it has received so many complete lists."""
    received = received or Received()
    reflector = Reflector(client, "/things", received)
    running = asyncio.create_task(reflector.run())
    async with asyncio.timeout(5):
        await reflector.wait_until_synced()
        while client.watches or len(received.lists) < lists:  # noqa: ASYNC110 - the script is a list
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


@pytest.mark.parametrize(
    "failure",
    [
        KubernetesError.of(410, '{"reason": "Expired", "message": "the continue token has expired"}'),
        KubernetesError.of(500, "{}"),
        Unreachable("timed out"),
        {"metadata": {"resourceVersion": "8"}, "items": [{"kind": "without metadata"}]},
    ],
    ids=["the continue token has expired", "refused", "timed out", "not understood"],
)
async def test_a_list_that_fails_half_way_deletes_nothing_and_is_begun_again(failure: Any) -> None:
    first = listed(5, item("a", 1), item("gone", 2), item("late", 3))
    half = listed(8, item("a", 7), token="next")
    complete = [listed(9, item("a", 9), token="next"), listed(9, item("late", 3))]
    client = ScriptedClient([first, half, failure, *complete], [KubernetesError.of(410, "{}")])
    received = Received()
    told_before_the_end: list[set[str]] = []
    call = client.call

    async def noting(*arguments: Any, **named: Any) -> Manifest:
        told_before_the_end.append(set(received.versions))
        return await call(*arguments, **named)

    client.call = noting  # type: ignore[method-assign]
    await run(client, received, lists=2)
    assert told_before_the_end == [set(), *[{"a", "gone", "late"}] * 4]
    assert received.versions == {"a": "9", "late": "3"}
    assert received.lists == [5, 9]
    assert [version for name, version in received.news if name == "a"] == ["1", "7", "9"]
    assert versions_watched(client)[-1] == "9"


async def test_the_first_list_is_delivered_before_it_is_complete_and_counts_once_it_is() -> None:
    client = ScriptedClient([listed(5, item("a", 1), token="next"), listed(5, item("b", 2))], [])
    received, call = Received(), client.call
    reflector = Reflector(client, "/things", received)
    is_at_second_page, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **named: Any) -> Manifest:
        if "continue" in named["query"]:
            is_at_second_page.set()
            await may_go_on.wait()
        return await call(*arguments, **named)

    client.call = slow  # type: ignore[method-assign]
    running = asyncio.create_task(reflector.run())
    async with asyncio.timeout(5):
        await is_at_second_page.wait()
        assert set(received.versions) == {"a"}
        assert not reflector.is_synced
        may_go_on.set()
        await reflector.wait_until_synced()
    assert set(received.versions) == {"a", "b"}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_more_than_a_page_of_a_list_is_held() -> None:
    """Counts the objects of earlier pages that are alive when a page is asked for."""
    alive: list[int] = []
    seen: list[weakref.ref[Any]] = []

    class Labels(dict[str, str]):
        """A part of an object that can be referred to weakly."""

    class Paged(ScriptedClient):
        async def call(self, method: str, path: str, *, query: Mapping[str, str] | None = None, **_: Any) -> Manifest:
            alive.append(sum(each() is not None for each in seen))
            number = int((query or {}).get("continue") or 0)
            page = listed(
                5, *(item(f"{number}-{n}", 1) for n in range(50)), token=str(number + 1) if number < 9 else ""
            )
            for each in page["items"]:
                each["metadata"]["labels"] = Labels()
                seen.append(weakref.ref(each["metadata"]["labels"]))
            return page

    await run(Paged([], []))
    assert len(alive) == 10
    assert max(alive) <= 1, "the last object of a page is still in a variable"


@pytest.mark.parametrize("where", ["list", "watch"])
async def test_one_object_that_a_receiver_refuses_hides_no_other(where: str, caplog: pytest.LogCaptureFixture) -> None:
    if where == "list":
        client = ScriptedClient([listed(5, item("poison", 1), item("b", 2))], [[]])
    else:
        client = ScriptedClient([listed(5)], [[event("ADDED", "poison", 6), event("ADDED", "b", 7)], []])
    received, _ = await run(client)
    assert set(received.versions) == {"b"}
    assert received.lists == [5], "listed again, it would be refused again"
    assert "poison" in caplog.text


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often in a row it had failed at each pause."""
    noted: list[int] = []

    def note(state: Any) -> float:
        noted.append(state.attempt_number)
        return 0.0

    monkeypatch.setattr(watch, "_BACK_OFF", note)
    return noted


@pytest.mark.parametrize("ends", [[], [event("BOOKMARK", "", 6)]], ids=["without a word", "after a bookmark"])
async def test_a_watch_that_ends_at_once_again_and_again_is_retried_with_back_off(
    ends: list[Any], pauses: list[int]
) -> None:
    await run(ScriptedClient([listed(5)], [ends] * 4))
    assert pauses == [1, 2, 3, 4]


async def test_a_watch_that_worked_and_broke_is_resumed_at_once(
    pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "HEALTHY_SECONDS", 0.0)
    breaks: list[Any] = [event("ADDED", "a", 6), OSError("cut")]
    received, _ = await run(ScriptedClient([listed(5)], [breaks, breaks, [event("ADDED", "b", 7)]]))
    assert set(received.versions) == {"a", "b"}
    assert pauses == []


async def test_a_watch_that_ends_at_once_is_no_sign_of_life() -> None:
    client = ScriptedClient([listed(5)], [[]])
    received = Received()
    reflector = Reflector(client, "/things", received)
    reflector._version, reflector._received_at = "5", reflector._received_at - 100
    running = asyncio.create_task(reflector.run())
    async with asyncio.timeout(5):
        while client.watches:  # noqa: ASYNC110 - the script is a list
            await asyncio.sleep(0.005)
    first_silence = reflector.silence_seconds
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert first_silence > 99

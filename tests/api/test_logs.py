"""Logs over REST: the archive in a real object store, live tails through a real kube-apiserver."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from icefield_apiserver.core.settings import ObjectStoreSettings, Settings
from icefield_crds import Run
from icefield_crds.names import pod_name
from icefield_crds.object_store import attempt_log_prefix, log_complete_key, log_part_key
from icefield_crds.wire.log_line import LogComplete, LogLine, compress_part
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.object_store import RunningObjectStore, s3_client

from .conftest import ADMIN, MakeWorkspace, SignIn
from .log_server import Line, LogServer, pod_on_node, serving_logs
from .playing import run_name, set_run_status

pytestmark = pytest.mark.integration

TASKS = [{"key": "a", "command": "x"}, {"key": "b", "command": "x"}, {"key": "c", "command": "x", "depends_on": ["b"]}]


@pytest.fixture
def settings(settings: Settings, object_store: RunningObjectStore) -> Settings:
    """The settings with a bucket of the test's own."""
    store = ObjectStoreSettings(
        endpoint=object_store.url,
        bucket=f"logs-{secrets.token_hex(4)}",
        access_key_id=object_store.access_key_id,
        secret_access_key=object_store.secret_access_key,
    )
    return settings.model_copy(update={"object_store": store})


@dataclass
class Place:
    """A run, and hands to write its logs where the operator and the kubelet do."""

    app: FastAPI
    client: httpx.AsyncClient
    plane: ControlPlane
    s3: Any
    bucket: str
    slug: str
    run: Run
    run_id: str

    async def archive(
        self, task: str, attempt: int, parts: list[list[Line]], *, complete: bool, first: int = 0
    ) -> None:
        """Archive parts of an attempt's log as the operator does."""
        prefix = attempt_log_prefix(self.slug, self.run.metadata.uid, task, attempt)
        for number, lines in enumerate(parts, first):
            encoded = b"".join(LogLine(stamp, message, task, attempt).encode() for stamp, message in lines)
            await self.s3.put_object(Bucket=self.bucket, Key=log_part_key(prefix, number), Body=compress_part(encoded))
        if complete:
            marker = LogComplete(first + len(parts)).encode()
            await self.s3.put_object(Bucket=self.bucket, Key=log_complete_key(prefix), Body=marker)

    async def report(self, phase: str, **tasks: list[tuple[str, str]]) -> None:
        """Write the run's status: of each task the attempts, as (status, start)."""
        status = {
            "phase": phase,
            "tasks": [
                {
                    "key": key,
                    "status": attempts[-1][0],
                    "attempts": [
                        {"attempt": number, "podName": self.pod_name(key, number), "status": state, "startTime": start}
                        for number, (state, start) in enumerate(attempts)
                    ],
                }
                for key, attempts in tasks.items()
            ],
        }
        await set_run_status(self.app, f"icefield-{self.slug}", self.run.metadata.name, status)

    def pod_name(self, task: str, attempt: int) -> str:
        """Return the name of an attempt's pod, which is not always what names.py would call it."""
        return f"p-{pod_name(self.run.metadata.name, task, attempt)}"

    def make_pod(self, task: str, attempt: int = 0) -> str:
        """Create an attempt's pod, bound to the node that serves logs, and return its name."""
        name = self.pod_name(task, attempt)
        self.plane.client.apply(pod_on_node(f"icefield-{self.slug}", name))
        return name

    async def read(self, path: str = "logs", **params: Any) -> list[dict[str, Any]]:
        """Return what a log reads as now."""
        answer = await self.client.get(f"/runs/{self.run_id}/{path}", params=params)
        assert answer.status_code == 200, answer.text
        lines: list[dict[str, Any]] = answer.json()
        return lines

    async def messages(self, path: str = "logs", **params: Any) -> list[str]:
        """Return the messages that a log reads as now."""
        return [line["message"] for line in await self.read(path, **params)]

    async def follow(self, path: str = "logs", **params: Any) -> list[tuple[str, dict[str, Any]]]:
        """Follow a log to its end, and return the events as (event, data)."""
        answer = await self.client.get(f"/runs/{self.run_id}/{path}", params={"follow": "true", **params}, timeout=60)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = []
        for block in answer.text.replace("\r\n", "\n").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                events.append((fields.get("event", "message"), json.loads(fields["data"])))
        return events


@pytest_asyncio.fixture
async def place(
    app: FastAPI, settings: Settings, sign_in: SignIn, make_workspace: MakeWorkspace, cluster_with_roles: ControlPlane
) -> AsyncIterator[Place]:
    """A run of three tasks that the operator has not seen yet."""
    slug = await make_workspace("logs")
    client = await sign_in(ADMIN, workspace=slug)
    answer = await client.post("/runs", json={"tasks": TASKS})
    run_id = answer.json()["id"]
    run = app.state.core.cluster.runs.store.get(f"icefield-{slug}", await run_name(client, run_id))
    store = settings.object_store
    keys = store.access_key_id, store.secret_access_key.get_secret_value()
    async with s3_client(store.endpoint, *keys) as s3:
        await s3.create_bucket(Bucket=store.bucket)
        yield Place(app, client, cluster_with_roles, s3, store.bucket, slug, run, run_id)


@pytest_asyncio.fixture
async def kubelet(cluster_with_roles: ControlPlane, tmp_path: Path) -> AsyncIterator[LogServer]:
    """The node that serves logs."""
    async with serving_logs(cluster_with_roles, tmp_path) as server:
        yield server


def at(second: int, nano: int = 0) -> str:
    return f"2026-06-01T08:{second // 60:02d}:{second % 60:02d}.{nano:09d}Z"


def lines(start: int, count: int, name: str = "line") -> list[Line]:
    """Return lines a tenth of a second apart, two and two with the same timestamp."""
    return [(at((n // 2) // 10, (n // 2) % 10 * 100_000_000), f"{name} {n}") for n in range(start, start + count)]


async def test_a_task_that_has_not_started_has_no_lines(place: Place) -> None:
    assert await place.read() == []
    assert await place.read("tasks/a/logs") == []
    answer = await place.client.get(f"/runs/{place.run_id}/tasks/nope/logs")
    assert answer.status_code == 404
    assert answer.json() == {"error": f"Run {place.run_id} has no task nope."}


async def test_archived_logs(place: Place) -> None:
    await place.archive("a", 0, [lines(0, 10), lines(10, 10)], complete=True)
    await place.archive("a", 1, [lines(40, 5, "again")], complete=True)
    await place.archive("b", 0, [lines(20, 4, "other")], complete=True)
    await place.report("failed", a=[("failed", at(0)), ("success", at(2))], b=[("failed", at(1))])

    of_a = await place.read("tasks/a/logs")
    assert [line["message"] for line in of_a] == [f"line {n}" for n in range(20)] + [
        f"again {n}" for n in range(40, 45)
    ]
    assert of_a[0] == {"timestamp": at(0), "message": "line 0", "task": "a", "attempt": 0}
    assert of_a[-1]["attempt"] == 1
    whole = await place.read()
    assert [line["timestamp"] for line in whole] == sorted(line["timestamp"] for line in whole)
    assert {line["task"] for line in whole} == {"a", "b"}
    assert len(whole) == 29
    for tail in (0, 1, 7, 15, 26, 500):
        assert await place.read("tasks/a/logs", tail=tail) == (of_a[-tail:] if tail else [])
        assert await place.read(tail=tail) == (whole[-tail:] if tail else [])

    text = await place.client.get(f"/runs/{place.run_id}/tasks/b/logs", headers={"Accept": "text/plain"})
    assert text.headers["Content-Type"].startswith("text/plain")
    assert text.text == "".join(f"other {n}\n" for n in range(20, 24))
    assert (await place.client.get(f"/runs/{place.run_id}/logs", params={"tail": -1})).status_code == 400


async def test_archive_and_live_tail_join_without_a_deduplicator(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    await place.report("running", a=[("running", at(0))])
    everything = lines(0, 101)
    # stdout and stderr are merged a little out of order
    everything[46:50] = everything[48:50] + everything[46:48]
    await kubelet.write(pod, everything)
    wanted = [message for _, message in everything]
    assert await place.messages() == wanted
    for archived in (1, 2, 37, 47, 48, 49, 50, 99, 100, 101):  # wherever the archive ends, in a pair or between two
        await place.archive("a", 0, [everything[:archived]], complete=False)
        assert await place.messages("tasks/a/logs") == wanted, archived
        assert await place.messages(tail=60) == wanted[-60:], archived
    await place.archive("a", 0, [everything], complete=True)
    asked = len(kubelet.asked)
    assert await place.messages() == wanted
    assert len(kubelet.asked) == asked  # an archive that is whole needs no pod


async def test_of_a_log_that_its_pod_has_whole_one_part_is_read(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    await place.report("running", a=[("running", at(0))])
    everything = lines(0, 90)
    await kubelet.write(pod, everything)
    await place.archive("a", 0, [everything[:30], everything[30:60]], complete=False)
    prefix = attempt_log_prefix(place.slug, place.run.metadata.uid, "a", 0)
    await place.s3.put_object(Bucket=place.bucket, Key=log_part_key(prefix, 1), Body=b"whoever reads this fails")
    assert await place.messages() == [message for _, message in everything]


async def test_what_the_kubelet_rotated_away_is_waited_for(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    await place.report("running", a=[("running", at(0))])
    everything = lines(0, 200)
    await kubelet.write(pod, everything)
    await place.archive("a", 0, [everything[:50]], complete=False)
    kubelet.rotated[pod] = 120  # the pod has lines 120 on; 50 to 119 are with the operator, on their way
    reading = asyncio.create_task(place.messages())

    async def pod_was_read() -> bool:
        return pod in kubelet.asked

    await eventually(pod_was_read)
    await place.archive("a", 0, [everything[50:130]], complete=False, first=1)
    assert await reading == [message for _, message in everything]


async def test_lines_that_are_missing_are_told(place: Place) -> None:
    await place.archive("a", 0, [lines(0, 3)], complete=True)
    archived = {"attempt": 0, "podName": "p", "status": "success", "startTime": at(0), "logsArchived": True}
    status = {"phase": "success", "tasks": [{"key": "a", "status": "success", "attempts": [archived]}]}
    for told, given in ((True, {}), (False, {"logsComplete": False})):
        archived |= given
        await set_run_status(place.app, f"icefield-{place.slug}", place.run.metadata.name, status)
        answer = await place.client.get(f"/runs/{place.run_id}/tasks/a/logs")
        assert answer.headers["X-Logs-Complete"] == json.dumps(told)
        task = (await place.client.get(f"/runs/{place.run_id}/tasks")).json()[0]
        assert (task["logs_complete"], task["attempts"][0]["logs_complete"]) == (told, told)
        assert (await place.client.get(f"/runs/{place.run_id}")).json()["logs_complete"] is told
        assert (await place.follow("tasks/a/logs"))[-1] == ("end", {"status": "success", "logs_complete": told})


async def test_a_log_that_is_archived_without_a_line_needs_no_pod(place: Place, kubelet: LogServer) -> None:
    place.make_pod("a")
    archived = {"attempt": 0, "podName": place.pod_name("a", 0), "status": "success", "logsArchived": True}
    status = {"phase": "success", "tasks": [{"key": "a", "status": "success", "attempts": [archived]}]}
    await set_run_status(place.app, f"icefield-{place.slug}", place.run.metadata.name, status)
    assert await place.messages() == []
    assert kubelet.asked == []


async def test_following_a_task_to_its_end(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    everything = lines(0, 90)
    await place.archive("a", 0, [everything[:30]], complete=False)
    await kubelet.write(pod, everything[:40])
    await place.report("running", a=[("running", at(0))])
    following = asyncio.create_task(place.follow("tasks/a/logs"))

    async def is_followed() -> bool:
        return kubelet.followers == 1

    await eventually(is_followed)
    await kubelet.write(pod, everything[40:60])
    await place.archive("a", 0, [everything[30:55]], complete=False, first=1)
    await kubelet.write(pod, everything[60:])
    await kubelet.end(pod)
    await place.report("running", a=[("success", at(0))])
    events = await following
    assert [data["message"] for event, data in events if event == "message"] == [message for _, message in everything]
    assert events[-1] == ("end", {"status": "success"})


async def test_those_who_follow_a_task_share_one_stream(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    everything = lines(0, 60)
    await kubelet.write(pod, everything[:20])
    await place.report("running", a=[("running", at(0))])
    following = [asyncio.create_task(place.follow("tasks/a/logs"))]

    async def is_followed() -> bool:
        return kubelet.followers == 1

    await eventually(is_followed)
    following += [asyncio.create_task(place.follow()) for _ in range(9)]
    reads = len(kubelet.asked)

    async def all_have_joined() -> bool:
        return len(kubelet.asked) == reads + 9  # each reads what is there

    await eventually(all_have_joined)
    await kubelet.write(pod, everything[20:50])
    assert kubelet.followers == 1
    await kubelet.write(pod, everything[50:])
    await kubelet.end(pod)
    await place.report("success", a=[("success", at(0))])
    for events in await asyncio.gather(*following):
        assert [data["message"] for event, data in events if event == "message"] == [each for _, each in everything]
        assert events[-1] == ("end", {"status": "success"})


async def test_a_follower_that_goes_away_ends_its_stream(place: Place, kubelet: LogServer) -> None:
    pod = place.make_pod("a")
    await kubelet.write(pod, lines(0, 20))
    await place.report("running", a=[("running", at(0))])
    following = asyncio.create_task(place.follow("tasks/a/logs"))

    async def followers_are(count: int) -> bool:
        return kubelet.followers == count

    await eventually(lambda: followers_are(1))
    following.cancel()
    await eventually(lambda: followers_are(0))


async def test_a_task_may_be_silent_for_long(place: Place, kubelet: LogServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.app.state.core.cluster.client, "_timeout_seconds", 1.0)  # of a call to Kubernetes
    pod = place.make_pod("a")
    await place.report("running", a=[("running", at(0))])
    following = asyncio.create_task(place.follow("tasks/a/logs"))
    await asyncio.sleep(2)
    await kubelet.write(pod, lines(0, 3))
    await kubelet.end(pod)
    await place.report("success", a=[("success", at(0))])
    assert [event for event, _ in await following] == ["message", "message", "message", "end"]


async def test_following_a_run_meets_tasks_and_attempts_that_begin_later(place: Place, kubelet: LogServer) -> None:
    pods = {key: place.make_pod(*key) for key in (("a", 0), ("a", 1), ("b", 0))}
    for (task, attempt), pod in pods.items():
        await kubelet.write(pod, lines(attempt * 20, 10, f"{task}{attempt}"))
        await kubelet.end(pod)
    following = asyncio.create_task(place.follow())
    await place.report("running", a=[("running", at(0))])
    await place.report("running", a=[("failed", at(0)), ("running", at(1))], b=[("running", at(0))])
    await place.report("failed", a=[("failed", at(0)), ("failed", at(1))], b=[("success", at(0))])
    events = await following
    received = [(data["task"], data["attempt"], data["message"]) for event, data in events[:-1]]
    wanted = [
        (task, attempt, message) for task, attempt in pods for _, message in lines(attempt * 20, 10, f"{task}{attempt}")
    ]
    assert sorted(received) == sorted(wanted)
    assert events[-1] == ("end", {"status": "failed"})


async def test_following_may_begin_with_the_tail(place: Place) -> None:
    await place.archive("a", 0, [lines(0, 10), lines(10, 10)], complete=True)
    await place.report("success", a=[("success", at(0))])
    events = await place.follow(tail=3)
    assert [data.get("message") for _, data in events] == ["line 17", "line 18", "line 19", None]


async def test_a_pod_that_is_gone_or_has_not_started_ends_nothing(place: Place, kubelet: LogServer) -> None:
    await place.report("running", a=[("running", at(0))], b=[("running", at(0))])
    await place.archive("a", 0, [lines(0, 4)], complete=False)
    assert await place.messages() == [f"line {n}" for n in range(4)]


async def test_a_long_log_is_streamed(place: Place) -> None:
    """Fifty parts of a mebibyte: what the operator makes of a 50 MB log."""
    filler = "x" * 900
    parts = [[(at(part, n), f"{part}-{n} {filler}") for n in range(1100)] for part in range(50)]
    await place.archive("a", 0, parts, complete=True)
    await place.report("success", a=[("success", at(0))])
    whole = await place.read("tasks/a/logs")
    assert [(line["timestamp"], line["message"]) for line in whole] == [line for part in parts for line in part]
    assert [line["message"] for line in await place.read("tasks/a/logs", tail=2000)] == [
        message for part in parts[-2:] for _, message in part
    ][-2000:]


async def test_an_object_store_that_is_away_is_503(place: Place, object_store: RunningObjectStore) -> None:
    await place.report("success", a=[("success", at(0))])
    await place.s3.delete_bucket(Bucket=place.bucket)
    answer = await place.client.get(f"/runs/{place.run_id}/logs")
    assert answer.status_code == 503
    assert answer.json().keys() == {"error"}

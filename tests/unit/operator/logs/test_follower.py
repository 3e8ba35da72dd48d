"""Logs that are followed late: whether their first lines may have been rotated away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from tests.memory_store import InMemoryObjectStore

from icefield_crds.wire.log_line import LogComplete
from icefield_operator.logs.archive import Archive
from icefield_operator.logs.attempt import Attempt, ContainerState, Lifetime, lifetime_of
from icefield_operator.logs.follower import Follower

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
ATTEMPT = Attempt("icefield-demo", "r-a-0", "demo", "r", "run-1", "a", 0)


@dataclass
class Body:
    """A stream that has come already."""

    chunks: list[bytes]

    async def readany(self) -> bytes:
        """Return the next chunk."""
        return self.chunks.pop(0) if self.chunks else b""


@dataclass
class Kubelet:
    """Serves what is left of the log of a container that has ended."""

    seconds: list[float] = field(default_factory=list)
    """When lines were written, after the container's start."""

    @asynccontextmanager
    async def __call__(self, namespace: str, name: str, *, follow: bool, since_time: str | None) -> AsyncIterator[Body]:
        """Open a stream, as Cluster.pod_log does."""
        yield Body([f"{(START + timedelta(seconds=second)).isoformat()} x\n".encode() for second in self.seconds])


async def follow(kubelet: Kubelet, ended_after: float, store: InMemoryObjectStore) -> LogComplete:
    """Follow the log of a container that has ended."""
    lifetime = Lifetime(START, START + timedelta(seconds=ended_after))
    archive = Archive(store, ATTEMPT.prefix)
    follower = Follower(ATTEMPT, archive, kubelet, asyncio.Semaphore(1), ContainerState.ENDED, lifetime)
    async with asyncio.timeout(30):
        return await follower.follow()


CASES = {
    "lines from the start": ([0.2, 300], 3600, False),
    "an old first line": ([300, 301], 3600, True),
    "no line of a short task": ([], 5, False),
    "no line of a long task": ([], 3600, True),
}


@pytest.mark.parametrize(("seconds", "ended_after", "expected"), CASES.values(), ids=CASES.keys())
async def test_what_is_known_of_the_start_of_a_log(seconds: list[float], ended_after: float, expected: bool) -> None:
    store = InMemoryObjectStore()
    completion = await follow(Kubelet(seconds), ended_after, store)
    assert completion == LogComplete(min(len(seconds), 1), start_unknown=expected)
    if seconds:
        assert await Archive(store, ATTEMPT.prefix).completion() == completion
    assert await follow(Kubelet(seconds), ended_after, store) == completion, "whoever comes next knows, too"


async def test_it_stays_unknown_for_who_takes_over_in_the_middle() -> None:
    store = InMemoryObjectStore()
    follower = Follower(
        ATTEMPT,
        Archive(store, ATTEMPT.prefix),
        Kubelet([300]),
        asyncio.Semaphore(1),
        ContainerState.STARTED,
        Lifetime(START),
    )
    following = asyncio.create_task(follower.follow())
    async with asyncio.timeout(10):
        while not [key async for key in store.keys("logs/") if key.endswith(".gz")]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert await follow(Kubelet([300, 301]), 3600, store) == LogComplete(2, start_unknown=True)


@pytest.mark.parametrize(("seconds", "pauses"), [([0.2], [5, 10, 20, 30]), ([], [5, 5, 5, 5])], ids=["lines", "none"])
async def test_a_stream_that_ends_before_its_container_is_opened_again_later_each_time(
    seconds: list[float], pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(follower: Follower, seconds: float) -> None:
        waited.append(seconds)
        if len(waited) > len(pauses):
            await asyncio.Event().wait()

    monkeypatch.setattr(Follower, "_wait_for_change", wait)
    archive = Archive(InMemoryObjectStore(), ATTEMPT.prefix)
    follower = Follower(ATTEMPT, archive, Kubelet(seconds), asyncio.Semaphore(1), ContainerState.STARTED)
    following = asyncio.create_task(follower.follow())
    async with asyncio.timeout(20):
        while len(waited) <= len(pauses):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert waited[: len(pauses)] == pauses


def test_a_sandbox_has_waited_for_its_task() -> None:
    ended = {"containerID": "x", "startedAt": "2026-03-01T10:00:00Z", "finishedAt": "2026-03-01T11:00:00Z"}
    status = {"containerStatuses": [{"name": "task", "state": {"terminated": ended}}]}
    assert lifetime_of({"metadata": {}, "status": status}) == Lifetime(START, START + timedelta(hours=1))
    assert lifetime_of({"metadata": {"labels": {"icefield.dev/sandbox": "true"}}, "status": status}) == Lifetime()

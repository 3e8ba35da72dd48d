"""Logs that many follow over one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from icefield_apiserver.features.logs import live as module
from icefield_apiserver.features.logs.entry import Entry, from_pod
from icefield_apiserver.features.logs.live import LiveLog, LiveLogs
from icefield_apiserver.features.logs.pod import PodLogs, TaskPod
from icefield_crds.wire.log_stream import ReadLine

POD = TaskPod("ns", "pod", "a", 0)


def _line(message: str) -> Entry:
    return from_pod(ReadLine("2026-06-01T08:00:00.000000000Z", message, False), "a", 0)


class Pods(PodLogs):
    """Streams that a test writes to."""

    def __init__(self) -> None:
        self.opened: list[str | None] = []
        self.closed = 0
        self.chunks: asyncio.Queue[list[Entry] | Exception | None] = asyncio.Queue()

    async def follow(self, pod: TaskPod, since: str | None) -> AsyncGenerator[list[Entry], None]:
        self.opened.append(since)
        try:
            while (chunk := await self.chunks.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed += 1

    async def write(self, *messages: str) -> None:
        """Write lines as one chunk, and let those who follow have their turn."""
        self.chunks.put_nowait(
            [from_pod(ReadLine("2026-06-01T08:00:00.000000000Z", each, False), "a", 0) for each in messages]
        )
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def messages(log: LiveLog) -> list[str]:
    return [line.message for line in log.take()]


async def test_followers_share_one_stream_which_ends_with_the_last() -> None:
    pods, changed = Pods(), [asyncio.Event(), asyncio.Event()]
    logs = LiveLogs(pods)
    with logs.joined(POD, changed[0]) as first:
        first.start("2026-06-01T08:00:00Z")
        await pods.write("1", "2")
        assert changed[0].is_set()
        with logs.joined(POD, changed[1]) as second:
            second.start("2026-06-01T09:00:00Z")
            await pods.write("3")
            assert (messages(first), messages(second)) == (["1", "2", "3"], ["3"])
            assert (first.is_from_start, second.is_from_start) == (True, False)
        assert pods.closed == 0
        await pods.write("4")
        assert messages(first) == ["4"]
    await turns()
    assert (pods.opened, pods.closed) == (["2026-06-01T08:00:00Z"], 1)


async def test_one_that_takes_nothing_loses_its_place_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_BYTES", 1000)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    pods = Pods()
    logs = LiveLogs(pods)
    taken = []
    with logs.joined(POD, asyncio.Event()) as slow, logs.joined(POD, asyncio.Event()) as quick:
        slow.start(None)
        quick.start(None)
        for number in range(30):
            await pods.write(str(number), "x" * 100)
            await asyncio.sleep(0.01)
            taken += messages(quick)
        assert taken[::2] == [str(number) for number in range(30)]
        assert not slow.is_open
        kept = slow.take()
        assert [line.message for line in kept[::2]] == [str(number) for number in range(len(kept) // 2)]
        assert sum(len(line.json) for line in kept) <= 1000


async def test_a_reader_that_has_not_had_its_turn_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_BYTES", 1000)
    pods, changed = Pods(), asyncio.Event()
    with LiveLogs(pods).joined(POD, changed) as log:
        log.start(None)
        for number in range(30):
            pods.chunks.put_nowait(
                [from_pod(ReadLine("2026-06-01T08:00:00.000000000Z", f"{number} {'x' * 400}", False), "a", 0)]
            )
        taken: list[str] = []
        while len(taken) < 30:
            await asyncio.wait_for(changed.wait(), 5)
            changed.clear()
            await turns()
            taken += messages(log)
        assert log.is_open
        assert [each.split()[0] for each in taken] == [str(number) for number in range(30)]


@pytest.mark.parametrize("end", [None, ConnectionResetError()])
async def test_the_end_of_the_stream_is_told_and_the_next_who_joins_starts_another(end: Exception | None) -> None:
    pods, changed = Pods(), asyncio.Event()
    logs = LiveLogs(pods)
    with logs.joined(POD, changed) as log:
        log.start(None)
        await pods.write("1")
        pods.chunks.put_nowait(end)
        await turns()
        assert changed.is_set()
        assert not log.is_open
        with logs.joined(POD, changed) as again:
            again.start("2026-06-01T08:00:00Z")
            await pods.write("2")
            assert (messages(log), messages(again)) == (["1"], ["2"])
    await turns()
    assert (len(pods.opened), pods.closed) == (2, 2)


@pytest.mark.parametrize(
    ("since", "is_open"), [(None, False), ("2026-06-01T07:00:00Z", False), ("2026-06-01T08:00:00Z", True)]
)
async def test_one_that_needs_older_lines_than_the_stream_that_another_started(
    since: str | None, is_open: bool
) -> None:
    pods = Pods()
    logs = LiveLogs(pods)
    with logs.joined(POD, asyncio.Event()) as quick, logs.joined(POD, asyncio.Event()) as slow:
        quick.start("2026-06-01T08:00:00Z")
        await pods.write("1")
        slow.start(since)
        assert (slow.is_open, messages(slow)) == (is_open, ["1"] if is_open else [])
        with logs.joined(POD, asyncio.Event()) as again:
            again.start(since)
            assert again.is_open, "it has read since the stream began"

"""What is read of an attempt whose pod is gone before its log is archived: no line is left out without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest

from icefield_apiserver.features.logs import attempt as module
from icefield_apiserver.features.logs.archive import Archive, ArchivedAttempt
from icefield_apiserver.features.logs.attempt import AttemptLog, Sources
from icefield_apiserver.features.logs.entry import Entry, from_pod
from icefield_apiserver.features.logs.live import LiveLogs
from icefield_apiserver.features.logs.pod import PodLogs, PodLogUnavailable, TaskPod
from icefield_apiserver.features.logs.progress import Progress
from icefield_crds import Run
from icefield_crds.wire.log_line import GAP_MESSAGE, MISSING_END_MESSAGE
from icefield_crds.wire.log_stream import ReadLine


def lines(first: int, last: int) -> list[Entry]:
    """Return numbered lines, a second apart."""
    return [
        from_pod(ReadLine(f"2026-06-01T08:00:{number:02}.000000000Z", str(number), False), "a", 0)
        for number in range(first, last)
    ]


@dataclass
class Parts(Archive):
    """An archive that a test fills."""

    parts: list[list[Entry]] = field(default_factory=list)
    is_complete: bool = False

    async def attempts(self, workspace: str, run_uid: str, task: str) -> dict[int, ArchivedAttempt]:
        return {0: ArchivedAttempt([str(number) for number in range(len(self.parts))], self.is_complete)}

    async def entries(self, part: str) -> AsyncIterator[list[Entry]]:
        yield self.parts[int(part)]

    async def first_entry(self, part: str) -> Entry:
        return self.parts[int(part)][0]


@dataclass
class Pod(PodLogs):
    """A pod that holds these lines; None: it is gone."""

    held: list[Entry] | None = None
    reads: int = 0

    async def read(self, pod: TaskPod, since: str | None) -> AsyncGenerator[list[Entry], None]:
        self.reads += 1
        if self.held is None:
            raise PodLogUnavailable
        yield self.held


@dataclass
class Ended(Progress):
    """An attempt that has ended."""

    archived: bool = False

    def listening(self) -> Listening:
        return Listening()

    def has_ended(self) -> bool:
        return True

    def is_archived(self) -> bool:
        return self.archived


class Listening:
    """Tells of no change."""

    def __enter__(self) -> asyncio.Event:
        return asyncio.Event()

    def __exit__(self, *_: object) -> None:
        return


@dataclass
class Place:
    """An attempt that has ended, and where its log may be."""

    archive: Parts = field(default_factory=Parts)
    pod: Pod = field(default_factory=Pod)
    progress: Ended = field(default_factory=Ended)

    @property
    def log(self) -> AttemptLog:
        """Its log."""
        run = Run.model_validate({"metadata": {"name": "r", "namespace": "icefield-demo", "uid": "u"}, "spec": {}})
        return AttemptLog(Sources(self.archive, self.pod, LiveLogs(self.pod)), run, "a", 0, self.progress)

    async def follow(self) -> list[str]:
        """Return what one who follows gets."""
        async with asyncio.timeout(10):
            return [line.message async for batch in self.log.follow() for line in batch]

    async def read(self) -> list[str]:
        """Return what one who reads gets."""
        async with asyncio.timeout(10):
            return [line.message async for line in self.log.entries()]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "GAP_SECONDS", 0.6)
    monkeypatch.setattr(module, "END_SECONDS", 0.8)


async def archive_later(place: Place, parts: list[list[Entry]]) -> None:
    """Archive these parts one by one, and that no more follow."""
    for part in parts:
        await asyncio.sleep(0.2)
        place.archive.parts.append(part)
    await asyncio.sleep(0.2)
    place.archive.is_complete = True


async def test_the_rest_of_a_log_whose_pod_is_gone_is_waited_for() -> None:
    place = Place(Parts([lines(0, 2)]))
    archiving = asyncio.create_task(archive_later(place, [lines(number, number + 1) for number in range(2, 6)]))
    assert await place.follow() == ["0", "1", "2", "3", "4", "5"]
    await archiving


async def test_what_does_not_come_any_more_is_marked() -> None:
    assert await Place(Parts([lines(0, 2)])).follow() == ["0", "1", MISSING_END_MESSAGE]


async def test_a_log_of_nothing_that_is_archived_has_no_end_to_miss() -> None:
    place = Place()

    async def archive() -> None:
        await asyncio.sleep(0.1)
        place.progress.archived = True

    archiving = asyncio.create_task(archive())
    assert await place.follow() == []
    await archiving


async def test_a_pod_that_is_there_has_all() -> None:
    assert await Place(Parts([lines(0, 2)]), Pod(lines(0, 4))).follow() == ["0", "1", "2", "3"]


async def test_lines_that_the_pod_has_no_more_are_waited_for_and_then_marked() -> None:
    place = Place(Parts([lines(0, 2)]), Pod(lines(20, 22)))
    assert await place.follow() == ["0", "1", GAP_MESSAGE, "20", "21"]


@pytest.mark.parametrize("comes", [True, False])
async def test_a_pod_that_goes_while_lines_before_its_own_are_waited_for(comes: bool) -> None:
    place = Place(Parts([lines(0, 2)]), Pod(lines(20, 22)))
    reading = asyncio.create_task(place.read())
    while not place.pod.reads:  # noqa: ASYNC110 - a pod has no events
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    place.pod.held = None
    if comes:
        await archive_later(place, [lines(2, 22)])
    assert await reading == ["0", "1", *(map(str, range(2, 22)) if comes else [MISSING_END_MESSAGE])]

"""The files of a log: found in order, each once, and readable though they are renamed, compressed and deleted."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.container_log import START, ContainerLog

from icefield_operator.log_agent.files import LogFiles
from icefield_operator.log_agent.stream import SETTLED_SECONDS


@pytest.fixture
def container(tmp_path: Path) -> ContainerLog:
    """A container that writes a log."""
    return ContainerLog(tmp_path / "pod" / "task")


def numbers(files: LogFiles) -> list[int]:
    """Read on, through all files; return the numbers of the lines."""
    content = b""
    while files.current:
        while data := files.current.read(1000):
            content += data
        if not files.has_next:
            break
        files.advance()
    return [int(line.rsplit(b" ", 1)[1]) for line in content.splitlines()]


def test_nothing_is_there_before_the_container_starts(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    files.discover()
    assert files.current is None
    assert not files.has_found
    container.folder.mkdir(parents=True)
    container.current.touch()
    files.discover()
    assert files.current is None
    assert files.has_found
    container.print(0, 2)
    files.discover()
    assert numbers(files) == [0, 1]


@pytest.mark.parametrize("looked_every", [1, 2, 3])
def test_no_rotation_is_missed(container: ContainerLog, looked_every: int) -> None:
    files = LogFiles(container.folder)
    read: list[int] = []
    for number in range(12):
        container.print(10 * number, 10 * number + 10)
        if number % looked_every == 0:
            files.discover()
            read += numbers(files)
        container.rotate()
    files.discover()
    assert read + numbers(files) == list(range(120))


def test_deleted_files_that_were_found_are_read(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    for number in range(12):
        container.print(10 * number, 10 * number + 10)
        files.discover()
        container.rotate()
    container.delete()
    files.discover()
    assert numbers(files) == list(range(120))


def test_an_agent_that_starts_late_finds_what_is_left(container: ContainerLog) -> None:
    for number in range(12):
        container.print(10 * number, 10 * number + 10)
        container.rotate()
    container.print(120, 130)
    files = LogFiles(container.folder)
    files.discover()
    assert files.misses_start
    assert numbers(files) == list(range(80, 130))


@pytest.mark.parametrize(("earlier", "misses"), [(10, True), (1, False)])
def test_a_node_that_keeps_few_files(
    container: ContainerLog, monkeypatch: pytest.MonkeyPatch, earlier: int, misses: bool
) -> None:
    monkeypatch.setattr("tests.container_log.MAX_FILES", 2)
    for number in range(3):
        container.print(10 * number, 10 * number + 10)
        container.rotate()
    files = LogFiles(container.folder, START - timedelta(seconds=earlier))
    files.discover()
    assert files.misses_start is misses


def test_the_first_files_of_a_log_miss_nothing(container: ContainerLog) -> None:
    for number in range(3):
        container.print(10 * number, 10 * number + 10)
        container.rotate()
    files = LogFiles(container.folder)
    files.discover()
    assert not files.misses_start


def test_a_log_is_resumed_in_the_file_that_has_the_time(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    for number in range(4):
        container.print(10 * number, 10 * number + 10)
        files.discover()
        container.rotate()
    assert numbers(files) == list(range(40))
    files.rewind(START + timedelta(milliseconds=25))
    assert numbers(files) == list(range(20, 40))
    files.rewind(None)
    assert numbers(files) == list(range(40))


def test_what_is_released_is_closed_but_for_the_newest_archived_lines(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    for number in range(4):
        container.print(10 * number, 10 * number + 10)
        files.discover()
        container.rotate()
    numbers(files)
    files.release()
    files.rewind(None)
    assert numbers(files) == list(range(20, 40))


def test_a_backlog_is_given_up_from_its_oldest_file_on(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    for number in range(6):
        container.print(10 * number, 10 * number + 10)
        files.discover()
        container.rotate()
    before = files.backlog_bytes
    assert files.current
    files.current.read(1000)
    assert files.give_up_oldest()
    assert files.give_up_oldest()
    assert files.backlog_bytes < before
    files.advance()
    assert files.current.is_after_gap
    files.current.rewind()
    assert numbers(files) == list(range(30, 60))
    files.rewind(None)
    assert files.give_up_oldest()
    assert not files.give_up_oldest()


def test_no_file_is_opened_after_the_end(container: ContainerLog) -> None:
    container.print(0, 1)
    files = LogFiles(container.folder)
    files.close()
    files.discover()
    assert files.current is None


def test_a_clock_that_was_set_back_between_rotations_changes_no_order(container: ContainerLog) -> None:
    files = LogFiles(container.folder)
    container.print(0, 10)
    files.discover()
    container.rotate().rename(container.folder / "0.log.20260301-030000")
    container.print(10, 20)
    files.discover()
    assert files.current
    files.current.read(10_000)
    files.advance()
    container.current.rename(container.folder / "0.log.20260301-020005")
    container.print(20, 30)
    files.discover()
    assert numbers(files) == list(range(10, 30))


def test_a_compressed_file_that_is_damaged_is_passed_over(container: ContainerLog) -> None:
    for number in range(3):
        container.print(10 * number, 10 * number + 10)
        container.rotate()
    [oldest, *_] = sorted(container.folder.glob("*.gz"))
    oldest.write_bytes(oldest.read_bytes()[:5])
    container.print(30, 40)
    files = LogFiles(container.folder)
    files.discover()
    assert files.misses_files
    assert numbers(files) == list(range(10, 40))
    files.misses_files = False
    files.discover()
    assert not files.misses_files, "it is reported once"


def test_a_file_that_was_written_before_the_clock_was_set_back_is_not_waited_for(container: ContainerLog) -> None:
    container.print(0, 1)
    in_an_hour = time.time() + 3600
    os.utime(container.current, (in_an_hour, in_an_hour))
    files = LogFiles(container.folder)
    files.discover()
    assert files.current
    assert files.current.age_seconds > SETTLED_SECONDS

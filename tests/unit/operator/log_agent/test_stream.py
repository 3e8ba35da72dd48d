"""The stream that the files of a log make, whatever is wrong with one of them."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
from pathlib import Path

import pytest
from tests.container_log import ContainerLog

from icefield_operator.log_agent.files import LogFiles
from icefield_operator.log_agent.pace import Pace
from icefield_operator.log_agent.stream import End, FileStream

GAP = "-- gap --"


@pytest.fixture
def container(tmp_path: Path) -> ContainerLog:
    """A container that writes a log."""
    return ContainerLog(tmp_path / "pod" / "task")


def stream_of(container: ContainerLog) -> FileStream:
    """Return the stream of a container that has ended, its files being found."""
    files = LogFiles(container.folder)
    files.discover()
    stream = FileStream(files, Pace(2**30))
    stream.observe(End.ENDED)
    return stream


async def read_to_end(stream: FileStream) -> list[str]:
    """Return the texts of the lines, and where the stream says that some are missing."""
    found: list[str] = []
    rest = b""
    async with asyncio.timeout(30):
        while chunk := await stream.readany():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if stream.is_before("", len(line), 0.0):
                    found.append(GAP)
                found.append(line.split(b" ", 1)[1].decode())
    if rest:
        found.append(rest.split(b" ", 1)[1].decode())
    if stream.misses_end:
        found.append(GAP)
    return found


def print_noise(container: ContainerLog, count: int) -> list[str]:
    """Print lines that can hardly be compressed; return them."""
    texts = [f"{random.randbytes(400).hex()}" for _ in range(count)]  # noqa: S311
    for text in texts:
        container.write(text)
    return texts


def compress(container: ContainerLog) -> Path:
    """Rotate twice, so that what was printed is compressed; return that file."""
    container.rotate()
    container.print(0, 1)
    container.rotate()
    [compressed] = container.folder.glob("*.gz")
    return compressed


def settle(container: ContainerLog) -> None:
    """Let all files be written long ago."""
    for each in container.folder.iterdir():
        os.utime(each, (time.time() - 60, time.time() - 60))


@pytest.mark.parametrize("damage", ["overwritten", "cut off", "wrong checksum"])
async def test_of_a_damaged_file_what_is_before_the_damage_is_read_and_then_the_next(
    container: ContainerLog, damage: str
) -> None:
    texts = print_noise(container, 2000)
    compressed = compress(container)
    container.print(1, 3)
    settle(container)
    content = bytearray(compressed.read_bytes())
    middle = len(content) // 2
    if damage == "overwritten":
        content[middle : middle + 4096] = bytes(4096)
    elif damage == "cut off":
        del content[middle:]
    else:
        content[-8] ^= 0xFF
    compressed.write_bytes(content)
    read = await read_to_end(stream_of(container))
    assert read[-4:] == [GAP, "line 0", "line 1", "line 2"]
    assert read.count(GAP) == 1
    before = 2000 if damage == "wrong checksum" else 990
    assert read[:before] == texts[:before], "what comes before the damage is read"
    if damage == "cut off":
        whole, last = read[:-5], read[-5]
        assert whole == texts[: len(whole)]
        assert texts[len(whole)].startswith(last)


async def test_a_second_reading_is_like_the_first(container: ContainerLog) -> None:
    print_noise(container, 2000)
    compressed = compress(container)
    settle(container)
    os.truncate(compressed, compressed.stat().st_size // 2)
    stream = stream_of(container)
    first = await read_to_end(stream)
    await stream.restart(None, has_gap=False)
    assert await read_to_end(stream) == first


async def test_where_only_a_damaged_file_is_left_its_end_is_missing(container: ContainerLog) -> None:
    texts = print_noise(container, 50)
    compressed = compress(container)
    for each in container.folder.iterdir():
        if each != compressed:
            each.unlink()
    os.truncate(compressed, compressed.stat().st_size - 10)
    read = await read_to_end(stream_of(container))
    assert read[:45] == texts[:45]
    assert read[-1] == GAP


async def test_where_no_head_can_be_read_the_end_is_missing(container: ContainerLog) -> None:
    container.folder.mkdir(parents=True)
    (container.folder / "0.log.20260301-100000.gz").write_bytes(gzip.compress(b"x")[:5])
    assert await read_to_end(stream_of(container)) == [GAP]


async def test_a_line_whose_rest_was_lost_is_not_joined_to_the_next(container: ContainerLog) -> None:
    container.write("begun", tag="P")
    compressed = compress(container)
    settle(container)
    content = bytearray(compressed.read_bytes())
    content[-8] ^= 0xFF
    compressed.write_bytes(content)
    assert await read_to_end(stream_of(container)) == ["begun", GAP, "line 0"]


async def test_a_line_that_was_given_up_in_its_middle_is_not_joined_to_the_next(container: ContainerLog) -> None:
    container.write("begun", tag="P")
    files = LogFiles(container.folder)
    files.discover()
    for number in range(4):
        container.rotate()
        container.print(number, number + 1)
        files.discover()
    settle(container)
    assert files.give_up_oldest()
    stream = FileStream(files, Pace(2**30))
    stream.observe(End.ENDED)
    assert await read_to_end(stream) == ["begun", GAP, "line 1", "line 2", "line 3"]

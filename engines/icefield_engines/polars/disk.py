"""How much a workload has written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import processes

_BLOCK = 512
"""What st_blocks counts (stat(2)), whatever the file system's own blocks are."""


def used(scratch: Path) -> int:
    """Return how many bytes files take: those below a directory, and those that are deleted and still open."""
    return sum(info.st_blocks * _BLOCK for info in _files(scratch)) + sum(_deleted().values())


def _files(directory: Path) -> Iterator[os.stat_result]:
    waiting = [str(directory)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    info = entry.stat(follow_symlinks=False)
                    yield info
                    if stat.S_ISDIR(info.st_mode):
                        waiting.append(entry.path)


def _deleted() -> dict[tuple[int, int], int]:
    sizes: dict[tuple[int, int], int] = {}
    for process in processes.others():
        with suppress(OSError), os.scandir(process / "fd") as entries:
            for entry in entries:
                with suppress(OSError):
                    info = entry.stat()
                    if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                        sizes[info.st_dev, info.st_ino] = info.st_blocks * _BLOCK
    return sizes

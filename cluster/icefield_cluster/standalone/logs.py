"""Logs of a cluster's programs, bounded in size: their output goes through Apache's rotatelogs."""

from __future__ import annotations

from pathlib import Path

import psutil

from icefield_cluster.commands import Argument
from icefield_cluster.processes import stop_pids

PROGRAM = "rotatelogs"
LIMIT = 16 * 2**20
"""Bytes of a log file."""
FILES = 2
"""How many older files a running program has beside its current one."""


def reader(log: Path) -> list[Argument]:
    """The command line of a program that writes its input to a log, keeping its size within bounds.

    Args:
        log: always the newest file; a hard link to one in the folder `rotated` beside it.
    """
    return [PROGRAM, "-D", "-T", "-L", log, "-n", str(FILES), _folder(log) / log.name, f"{LIMIT // 1024}K"]


def begin(log: Path) -> None:
    """Set aside the newest file of a log before its program starts again, and remove the older ones."""
    if log.exists():
        folder = _folder(log)
        folder.mkdir(exist_ok=True)
        for older in folder.glob(f"{log.name}*"):
            older.unlink()
        log.rename(folder / f"{log.name}.previous")


def bound(folder: Path) -> None:
    """Set aside the large logs of earlier commands, which append to them; those of running programs are left alone."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > LIMIT and log.stat().st_nlink == 1:
            begin(log)


def stop_readers(folder: Path) -> None:
    """End what still writes logs of a folder; a reader ends by itself a moment after its program."""
    mine = str(folder / "rotated")
    readers = psutil.process_iter(["cmdline"])
    argvs = [(process.pid, process.info["cmdline"] or ()) for process in readers]
    stop_pids([pid for pid, argv in argvs if argv[:1] == [PROGRAM] and any(mine in word for word in argv)], grace=5)


def _folder(log: Path) -> Path:
    return log.parent / "rotated"

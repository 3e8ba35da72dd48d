"""Runs spark-submit: passes on what it prints, ends it when the container is to end, remembers its last words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

REMEMBERED_BYTES = 64 * 1024
LAST_WORDS_SECONDS = 5.0
"""How long a process that the application left behind may keep our side of its output open."""


class Ended(NamedTuple):
    """How an application ended."""

    code: int
    """0 to 255; 128 + the number of the signal that ended it."""
    printed: str
    """The end of what it printed."""
    told_to_end: bool
    """Whether we were told to end it."""


class _Output:
    """Passes on what the application prints, and keeps the end of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._end = b""
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def last_words(self) -> str:
        self._thread.join(LAST_WORDS_SECONDS)
        return self._end.decode(errors="replace")

    def _pass_on(self) -> None:
        while chunk := os.read(self._pipe.fileno(), REMEMBERED_BYTES):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            self._end = (self._end + chunk)[-REMEMBERED_BYTES:]


def run(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Ended:
    """Run a command to its end, in a process group of its own; SIGTERM and SIGINT are for that group.

    Args:
        argv: the command.
        environment: all of its environment.
        folder: where it runs.
    """
    told: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def end(number: int, _: FrameType | None) -> None:
        told.append(number)
        if process is not None:
            _signal(process.pid, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101
    output = _Output(process.stdout)
    if told:  # before there was anything to tell
        _signal(process.pid, signal.SIGTERM)
    code = process.wait()
    printed = output.last_words()
    _signal(process.pid, signal.SIGKILL)
    return Ended(code if code >= 0 else 128 - code, printed, bool(told))


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # Nobody of it is left.
        return

"""Runs spark-submit: forwards its output, ends it when the container is to end, and keeps the end of the output."""

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

KEPT_BYTES = 64 * 1024
FINAL_OUTPUT_SECONDS = 5.0
"""How long a process that the application left behind may keep our side of its output open."""


class Ended(NamedTuple):
    """How an application ended."""

    code: int
    """0 to 255; 128 + the number of the signal that ended it."""
    printed: str
    """The end of what it printed."""
    was_terminated: bool
    """Whether this process received a signal to end it."""


class _Output:
    """Forwards what the application prints, and keeps the end of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._end = b""
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def final_output(self) -> str:
        self._thread.join(FINAL_OUTPUT_SECONDS)
        return self._end.decode(errors="replace")

    def _forward(self) -> None:
        while chunk := os.read(self._pipe.fileno(), KEPT_BYTES):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            self._end = (self._end + chunk)[-KEPT_BYTES:]


def run(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Ended:
    """Run a command to its end, in a process group of its own; SIGTERM and SIGINT are for that group.

    Args:
        argv: the command.
        environment: all of its environment.
        folder: where it runs.
    """
    received: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
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
    if received:  # before the process was started
        _signal(process.pid, signal.SIGTERM)
    code = process.wait()
    printed = output.final_output()
    _signal(process.pid, signal.SIGKILL)
    return Ended(code if code >= 0 else 128 - code, printed, bool(received))


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # The group has no processes left.
        return

"""Programs that run one block of code after another, each in what the blocks before it left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

_PYTHON = """\
import json, os, sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    request = json.loads(line)
    os.environ.clear()
    os.environ.update(request["environment"])
    exec(compile(request["code"], request["name"], "exec"), names)
    sys.stdout.flush()
    os.write(int(sys.argv[1]), b".")
"""


class BlockError(Exception):
    """A block ended its program, or took too long; the message has what it printed."""


class Place(Protocol):
    """Where a block is."""

    @property
    def page(self) -> str:
        """Its page."""

    @property
    def line(self) -> int:
        """Its first line there."""


class Program:
    """A process that reads blocks from its standard input and writes a byte to a pipe when one has ended.

    Args:
        argv: its command; the number of the pipe's descriptor is appended.
        folder: where it runs, and where its output goes.
        environment: its environment at the start.
    """

    def __init__(self, argv: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._ended, end = os.pipe()
        self._log = (folder / f"{Path(argv[0]).name}-{end}.log").open("w+b")
        self._process = subprocess.Popen(
            [*argv, str(end)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            pass_fds=[end],
            start_new_session=True,
        )
        os.close(end)

    def run(self, request: str, timeout: float) -> str:
        """Hand it a request, wait for its end and return what was printed meanwhile.

        Args:
            request: what it reads from its standard input, whole lines.
            timeout: seconds until the block has failed.

        Raises:
            BlockError: the block failed.
        """
        assert self._process.stdin is not None
        printed_before = os.fstat(self._log.fileno()).st_size
        self._process.stdin.write(request.encode())
        self._process.stdin.flush()
        ready, _, _ = select.select([self._ended], [], [], timeout)
        has_ended = bool(ready) and os.read(self._ended, 1) != b""
        output = os.pread(self._log.fileno(), 1 << 20, printed_before).decode(errors="replace")
        if not has_ended:
            raise BlockError(output if ready else f"{output}\nstill running after {timeout} s")
        return output

    def stop(self) -> None:
        """End it and every process that it started."""
        deadline = time.monotonic() + 10
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None or number is signal.SIGKILL:
                _signal_group(self._process.pid, number)
            while self._process.poll() is None and number is signal.SIGTERM and time.monotonic() < deadline:
                time.sleep(0.05)
        self._process.wait(timeout=10)
        os.close(self._ended)
        self._log.close()


def bash(folder: Path, environment: Mapping[str, str]) -> Program:
    """A bash that ends with the first command that fails, and with the first name that has no value."""
    program = Program(["bash", "-euo", "pipefail", "-s"], folder, environment)
    program.run("ended=$1\nprintf . >&$ended\n", timeout=10)
    return program


def python(folder: Path, environment: Mapping[str, str]) -> Program:
    """A Python whose blocks share their names; its requests are lines of JSON: code, name, environment."""
    return Program([sys.executable, "-u", "-c", _PYTHON], folder, environment)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return

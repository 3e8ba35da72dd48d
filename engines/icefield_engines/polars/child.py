"""The worker as the supervisor sees it: a process, a pipe to it, a pipe from it, and its output."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .settings import Settings, for_worker

MAX_MESSAGE_BYTES = 64 * 1024
WORKER_MODULE = "icefield_engines.polars.worker"


class Closed:
    """The worker cannot say anything any more."""


class Garbage:
    """What came is no message of the worker's."""


Message = dict[str, Any] | Closed | Garbage


class Child:
    """Start it before any thread: it is made by a fork."""

    def __init__(self, settings: Settings) -> None:
        """Start the worker; its output comes from `output`."""
        work_end, self._work = os.pipe()
        self._told, tell_end = os.pipe()
        self.output, output_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", WORKER_MODULE, str(work_end), str(tell_end)],
            stdin=subprocess.DEVNULL,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(work_end, tell_end),
            env=for_worker(os.environ),
            cwd=settings.scratch,
            start_new_session=True,
        )
        for end in (work_end, tell_end, output_end):
            os.close(end)
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def listen(self, wake: Callable[[], None]) -> None:
        """Read what it says in the background; `wake` is called at each message."""
        threading.Thread(target=self._listen, args=(wake,), daemon=True, name="worker").start()

    def give(self, body: bytes) -> None:
        """Hand it the workload's document; nothing follows."""
        with suppress(BrokenPipeError), os.fdopen(self._work, "wb") as pipe:
            pipe.write(body)

    def _listen(self, wake: Callable[[], None]) -> None:
        held = b""
        while chunk := os.read(self._told, MAX_MESSAGE_BYTES):
            *lines, held = (held + chunk).split(b"\n")
            messages = [_message(line) for line in lines]
            if len(held) > MAX_MESSAGE_BYTES:
                messages.append(Garbage())
            for message in messages:
                self.messages.put(message)
                wake()
                if isinstance(message, Garbage):
                    return  # the pipe fills up, and the rest is of no interest
        self.messages.put(Closed())
        wake()


def _message(line: bytes) -> Message:
    try:
        message = json.loads(line) if len(line) <= MAX_MESSAGE_BYTES else None
    except (ValueError, RecursionError):
        return Garbage()
    return message if isinstance(message, dict) else Garbage()

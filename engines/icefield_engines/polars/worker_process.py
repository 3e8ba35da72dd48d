"""The worker, as the supervisor handles it: a process, a pipe to it, a pipe from it, and its output."""

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
    """The worker closed its pipe: no more messages come."""


class Invalid:
    """The worker wrote something that is no message."""


Message = dict[str, Any] | Closed | Invalid


class WorkerProcess:
    """To be started before any thread, as it is forked."""

    def __init__(self, settings: Settings) -> None:
        """Start the worker; its output comes from `output`."""
        work_end, self._work = os.pipe()
        self._messages_pipe, messages_end = os.pipe()
        self.output, output_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", WORKER_MODULE, str(work_end), str(messages_end)],
            stdin=subprocess.DEVNULL,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(work_end, messages_end),
            env=for_worker(os.environ),
            cwd=settings.scratch,
            start_new_session=True,
        )
        for end in (work_end, messages_end, output_end):
            os.close(end)
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def listen(self, wake: Callable[[], None]) -> None:
        """Read its messages in the background; `wake` is called at each."""
        threading.Thread(target=self._listen, args=(wake,), daemon=True, name="worker").start()

    def send(self, body: bytes) -> None:
        """Send it the workload's document, and close the pipe."""
        with suppress(BrokenPipeError), os.fdopen(self._work, "wb") as pipe:
            pipe.write(body)

    def _listen(self, wake: Callable[[], None]) -> None:
        held = b""
        while chunk := os.read(self._messages_pipe, MAX_MESSAGE_BYTES):
            *lines, held = (held + chunk).split(b"\n")
            messages = [_message(line) for line in lines]
            if len(held) > MAX_MESSAGE_BYTES:
                messages.append(Invalid())
            for message in messages:
                self.messages.put(message)
                wake()
                if isinstance(message, Invalid):
                    return  # the rest is ignored: the pipe fills up
        self.messages.put(Closed())
        wake()


def _message(line: bytes) -> Message:
    try:
        message = json.loads(line) if len(line) <= MAX_MESSAGE_BYTES else None
    except (ValueError, RecursionError):
        return Invalid()
    return message if isinstance(message, dict) else Invalid()

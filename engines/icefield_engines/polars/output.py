"""Forwards what the workload prints to the container's output."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_CHUNK = 64 * 1024
STDOUT = 1


class OutputForwarder:
    """Forwards bytes as they come, up to a limit; the rest is read and discarded."""

    def __init__(self, source: int, limit: int, wake: Callable[[], None]) -> None:
        """Prepare for one read end of a pipe.

        Args:
            source: the read end; it is closed when all write ends are.
            limit: how many bytes are forwarded.
            wake: called when the limit is exceeded.
        """
        self.limit_exceeded = False
        """Whether the limit was exceeded."""
        self._source = source
        self._left = limit
        self._wake = wake
        self._thread = threading.Thread(target=self._run, daemon=True, name="output")

    def start(self) -> None:
        """Forward in the background."""
        self._thread.start()

    def drain(self, seconds: float) -> None:
        """Wait until everything is forwarded; to be called when all writers have ended."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while chunk := os.read(self._source, _CHUNK):
            kept = chunk[: self._left]
            self._left -= len(kept)
            self._forward(kept)
            if len(kept) < len(chunk) and not self.limit_exceeded:
                self.limit_exceeded = True
                self._wake()
        os.close(self._source)

    def _forward(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(STDOUT, view) :]
        except OSError:  # the container's output is closed; the workload keeps running
            self._left = max(self._left, 0)

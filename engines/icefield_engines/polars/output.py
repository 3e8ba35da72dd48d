"""What the workload prints, on its way to the container's own output."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_CHUNK = 64 * 1024
STDOUT = 1


class Pump:
    """Passes bytes on as they come, so many and no more; what is too much is read and thrown away."""

    def __init__(self, source: int, limit: int, wake: Callable[[], None]) -> None:
        """Prepare for one read end of a pipe.

        Args:
            source: the read end; it is closed when nobody can write to it any more.
            limit: how many bytes are passed on.
            wake: called when there was more.
        """
        self.is_over = False
        """Whether there was more than the limit."""
        self._source = source
        self._left = limit
        self._wake = wake
        self._thread = threading.Thread(target=self._run, daemon=True, name="output")

    def start(self) -> None:
        """Pass on in the background."""
        self._thread.start()

    def drain(self, seconds: float) -> None:
        """Wait until all that was printed is passed on; for when nobody prints any more."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while chunk := os.read(self._source, _CHUNK):
            kept = chunk[: self._left]
            self._left -= len(kept)
            self._pass_on(kept)
            if len(kept) < len(chunk) and not self.is_over:
                self.is_over = True
                self._wake()
        os.close(self._source)

    def _pass_on(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(STDOUT, view) :]
        except OSError:  # nobody reads the container's output any more; the workload goes on
            self._left = max(self._left, 0)

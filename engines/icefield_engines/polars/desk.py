"""What the supervisor's threads share: the one workload, how it stands, and what it came to."""

from __future__ import annotations

import signal
import threading
import time

from .outcome import Outcome
from .workload import Workload

WAKE = signal.SIGUSR1
"""Wakes the supervisor's main thread, which waits for signals."""


class TakenError(Exception):
    """The sandbox has another workload already."""


class Desk:
    """Guarded by one lock; whoever changes something wakes who waits for it."""

    def __init__(self) -> None:
        """Begin without a workload; make it in the main thread."""
        self._changed = threading.Condition()
        self._main_thread = threading.get_ident()
        self._workload: Workload | None = None
        self._body = b""
        self._outcome: Outcome | None = None
        self.is_ready = False
        """Whether the worker has imported all that it needs."""
        self.is_acknowledged = False

    @property
    def workload(self) -> Workload | None:
        """The workload, once there is one."""
        return self._workload

    def put(self, workload: Workload, body: bytes) -> None:
        """Take the workload; the same one again changes nothing.

        Raises:
            TakenError: there is another.
        """
        with self._changed:
            if self._workload is not None and self._workload.id != workload.id:
                raise TakenError(self._workload.id)
            if self._workload is None:
                self._workload, self._body = workload, body
                self._changed.notify_all()
        self.wake()

    def take_body(self) -> bytes:
        """Return the workload's document, once; then nothing."""
        with self._changed:
            body, self._body = self._body, b""
            return body

    def end(self, outcome: Outcome) -> None:
        """Say what it came to."""
        with self._changed:
            self._outcome = outcome
            self._changed.notify_all()

    def outcome(self, wait: float) -> Outcome | None:
        """Return what it came to, waiting so many seconds for it; None when it has not ended."""
        give_up = time.monotonic() + wait
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None, max(0.0, give_up - time.monotonic()))
            return self._outcome

    def acknowledge(self) -> bool:
        """Note that the outcome was taken down; return whether there is one."""
        with self._changed:
            self.is_acknowledged = self._outcome is not None
        self.wake()
        return self.is_acknowledged

    def wake(self) -> None:
        """Let the main thread look."""
        signal.pthread_kill(self._main_thread, WAKE)

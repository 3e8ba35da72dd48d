"""The state that the supervisor's threads share: the workload and its outcome."""

from __future__ import annotations

import signal
import threading
import time

from icefield_crds.wire.outcome import WorkloadOutcome
from icefield_crds.wire.workload import Workload

WAKE = signal.SIGUSR1
"""Wakes the supervisor's main thread, which waits for signals."""


class OtherWorkloadError(Exception):
    """The sandbox already has another workload."""


class SandboxState:
    """The workload and its outcome, guarded by one lock; every change wakes those that wait for it."""

    def __init__(self) -> None:
        """Start without a workload; to be called in the main thread."""
        self._changed = threading.Condition()
        self._main_thread = threading.get_ident()
        self._workload: Workload | None = None
        self._body = b""
        self._outcome: WorkloadOutcome | None = None
        self.is_ready = False
        """Whether the worker is ready to start a workload."""
        self.is_acknowledged = False

    @property
    def workload(self) -> Workload | None:
        """The workload, once there is one."""
        return self._workload

    def put(self, workload: Workload, body: bytes) -> None:
        """Accept the workload; the same one again changes nothing.

        Raises:
            OtherWorkloadError: there is another.
        """
        with self._changed:
            if self._workload is not None and self._workload.id != workload.id:
                raise OtherWorkloadError(self._workload.id)
            if self._workload is None:
                self._workload, self._body = workload, body
                self._changed.notify_all()
        self.wake()

    def take_body(self) -> bytes:
        """Return the workload's document, once; afterwards no bytes."""
        with self._changed:
            body, self._body = self._body, b""
            return body

    def end(self, outcome: WorkloadOutcome) -> None:
        """Publish the outcome."""
        with self._changed:
            self._outcome = outcome
            self._changed.notify_all()

    def outcome(self, wait: float) -> WorkloadOutcome | None:
        """Return the outcome, waiting up to `wait` seconds for it; None when the workload has not ended."""
        deadline = time.monotonic() + wait
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None, max(0.0, deadline - time.monotonic()))
            return self._outcome

    def acknowledge(self) -> bool:
        """Note that the outcome was recorded by the caller; return whether there is one."""
        with self._changed:
            self.is_acknowledged = self._outcome is not None
        self.wake()
        return self.is_acknowledged

    def wake(self) -> None:
        """Wake the main thread."""
        signal.pthread_kill(self._main_thread, WAKE)

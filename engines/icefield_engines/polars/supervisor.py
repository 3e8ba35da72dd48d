"""The first process of a sandbox: it starts the worker, gives it one workload, holds its limits, and ends with it.

    starting → ready → running → ended → (acknowledged or left alone) → gone

The workload is hostile until shown otherwise. It runs as the same user, so this process listens to no signal that
comes from inside, can be neither traced nor read, and believes nothing that it is told without checking it. Whatever
way a workload ends, every other process of the pod is killed before its outcome is told.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from . import disk, processes
from .child import Child, Closed, Garbage, Message
from .desk import WAKE, Desk
from .outcome import Kind, Outcome, failed, out_of_memory, untrusted
from .output import Pump
from .server import Server
from .settings import Settings, size
from .workload import Workload

TICK_SECONDS = 0.1
"""How often processes are counted."""
DISK_SECONDS = 1.0
DRAIN_SECONDS = 5.0
LAST_WORD_SECONDS = 0.5
"""How long the pipe of a worker is read that has ended: another process may hold it open."""
CLOSED_SECONDS = 2.0
"""How long a worker may take to end that can say nothing more."""
CANCEL_SECONDS = 3.0
"""How long a worker may take to cancel what runs elsewhere; less than the pod's grace period."""
TERMINATED = 143
_END_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _END_SIGNALS | {signal.SIGCHLD, WAKE}


class Supervisor:
    """Lives in the main thread; other threads only read pipes and answer calls."""

    def __init__(self, settings: Settings) -> None:
        """Start the worker, and serve."""
        self._settings = settings
        self._child = Child(settings)
        processes.hide()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._desk = Desk()
        self._pump = Pump(self._child.output, settings.max_output_bytes, self._desk.wake)
        self._started: float | None = None
        self._closed: float | None = None
        self._worker_status: int | None = None
        self._worker_ended = 0.0
        self._oom_kills = 0
        self._disk_used = 0
        self._pump.start()
        self._child.listen(self._desk.wake)
        Server(settings, self._desk).start()

    def run(self) -> int:
        """Do everything; return the exit code."""
        while True:
            if self._is_told_to_end():
                return self._terminate()
            self._take_leave(processes.reap())
            outcome = self._look()
            if outcome is not None:
                return self._end(outcome)

    def _look(self) -> Outcome | None:
        """Return the outcome once there is one."""
        workload = self._desk.workload
        while not self._child.messages.empty():
            outcome = self._hear(self._child.messages.get(), workload)
            if outcome is not None:
                return outcome
        if self._desk.is_ready and self._started is None and workload is not None:
            self._begin(workload)
        if self._worker_status is not None and (self._closed or _is_past(self._worker_ended + LAST_WORD_SECONDS)):
            return self._without_a_word(processes.describe(self._worker_status))
        if self._closed is not None and _is_past(self._closed + CLOSED_SECONDS):
            return self._failed(Kind.INTERNAL, "the workload closed the pipe on which it tells its outcome")
        return self._beyond_limits(workload) if workload and self._started is not None else None

    def _hear(self, message: Message, workload: Workload | None) -> Outcome | None:
        if isinstance(message, Closed):
            self._closed = time.monotonic()
            return None
        if self._started is None:
            self._desk.is_ready = not isinstance(message, Garbage) and message.get("ready") is True
            return None
        try:
            if isinstance(message, Garbage) or workload is None:
                raise ValueError("not a message")
            return untrusted(message, workload)
        except ValueError:
            return self._failed(Kind.INTERNAL, "the workload wrote to the pipe on which its outcome is told")

    def _take_leave(self, ended: dict[int, int]) -> None:
        if self._child.pid in ended:
            self._worker_status, self._worker_ended = ended[self._child.pid], time.monotonic()

    def _begin(self, workload: Workload) -> None:
        self._oom_kills = processes.oom_kills()
        self._started = time.monotonic()
        threading.Thread(target=self._watch_disk, daemon=True, name="disk").start()
        self._child.give(self._desk.take_body())

    def _beyond_limits(self, workload: Workload) -> Outcome | None:
        limits = self._settings
        if self._milliseconds() > workload.timeout_seconds * 1000:
            return self._failed(Kind.TIME, f"the workload took longer than its timeout of {workload.timeout_seconds} s")
        if self._pump.is_over:
            return self._too_much_output()
        if self._disk_used > limits.disk_limit_bytes:
            return self._failed(Kind.DISK, f"the workload wrote more than {size(limits.disk_limit_bytes)} to disk")
        if sum(1 for _ in processes.others()) > limits.max_processes:
            return self._failed(Kind.PROCESSES, f"the workload started more than {limits.max_processes} processes")
        return None

    def _without_a_word(self, how: str) -> Outcome:
        """Return the outcome of a worker that ended and told none."""
        if self._started is None:
            return self._failed(Kind.INTERNAL, f"the sandbox could not start: its worker {how}")
        if self._pump.is_over:
            return self._too_much_output()
        if "SIGKILL" in how and processes.oom_kills() > self._oom_kills:
            return out_of_memory(self._settings, self._milliseconds())
        if "SIG" in how or "signal" in how:
            return self._failed(Kind.SCRIPT, f"the workload's process {how}")
        return self._failed(Kind.SCRIPT, f"the workload's process {how} before it had a result")

    def _end(self, outcome: Outcome) -> int:
        """Leave nothing of the workload, tell what it came to, and wait until that was taken down."""
        processes.kill_all()
        self._pump.drain(DRAIN_SECONDS)
        with suppress(OSError):
            self._settings.termination_log.write_bytes(outcome.as_termination_message())
        exit_code = 0 if outcome.state == "succeeded" else 1
        if self._desk.workload is None:
            return exit_code
        self._desk.end(outcome)
        give_up = time.monotonic() + self._settings.linger_seconds
        while not self._desk.is_acknowledged and time.monotonic() < give_up:
            if self._is_told_to_end():
                return TERMINATED
        time.sleep(TICK_SECONDS / 2)  # the answer to the acknowledgement is on its way
        return exit_code

    def _terminate(self) -> int:
        self._let_cancel()
        processes.kill_all()
        if self._started is not None:
            outcome = Outcome("cancelled", "the workload was cancelled", execution_milliseconds=self._milliseconds())
            with suppress(OSError):
                self._settings.termination_log.write_bytes(outcome.as_termination_message())
        return TERMINATED

    def _let_cancel(self) -> None:
        """Let a distributed workload cancel its query at Polars Cloud, which would go on without it."""
        workload = self._desk.workload
        if self._started is None or self._worker_status is not None or workload is None or not workload.distributed:
            return
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGTERM)
        give_up = time.monotonic() + CANCEL_SECONDS
        while self._child.messages.empty() and self._child.pid not in processes.reap() and not _is_past(give_up):
            time.sleep(TICK_SECONDS / 2)

    def _is_told_to_end(self) -> bool:
        """Wait for a signal, or a tick; return whether somebody outside wants the sandbox to end.

        The kernel says 0 for senders of another PID namespace, as the kubelet is.
        """
        told = signal.sigtimedwait(_SIGNALS, TICK_SECONDS)
        return told is not None and told.si_signo in _END_SIGNALS and told.si_pid == 0

    def _too_much_output(self) -> Outcome:
        limit = _spelled(self._settings.max_output_bytes)
        return self._failed(Kind.OUTPUT, f"the workload printed more than {limit}")

    def _failed(self, kind: str, error: str) -> Outcome:
        return failed(kind, error, self._milliseconds())

    def _milliseconds(self) -> float:
        return 0.0 if self._started is None else (time.monotonic() - self._started) * 1000

    def _watch_disk(self) -> None:
        while True:
            began = time.monotonic()
            self._disk_used = disk.used(self._settings.scratch)
            time.sleep(max(DISK_SECONDS, 4 * (time.monotonic() - began)))


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def _spelled(count: int) -> str:
    """Return a number of bytes as 16 MiB."""
    return size(count).replace("Ki", " KiB").replace("Mi", " MiB").replace("Gi", " GiB")


def main() -> int:
    """Run the sandbox; return its exit code."""
    if os.getpid() != 1:
        raise SystemExit("icefield_engines.polars must be the first process of a PID namespace: it kills all others.")
    return Supervisor(Settings.read(os.environ)).run()

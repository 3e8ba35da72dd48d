"""The first process of a sandbox: it starts the worker, gives it one workload, holds its limits, and ends with it.

    starting → ready → running → ended → (acknowledged or expired) → exited

The workload is untrusted. It runs as the same user, so this process ignores signals from inside the pod, can be
neither traced nor read, and checks every message. However a workload ends, every other process of the pod is killed
before its outcome is published.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from icefield_crds.wire.outcome import FailureKind, WorkloadOutcome, WorkloadState
from icefield_crds.wire.workload import Workload

from . import disk, processes
from .outcome import checked, failed, out_of_memory, termination_message
from .output import OutputForwarder
from .sandbox_state import WAKE, SandboxState
from .server import Server
from .settings import Settings, size
from .worker_process import Closed, Invalid, Message, WorkerProcess

TICK_SECONDS = 0.1
"""How often processes are counted."""
DISK_SECONDS = 1.0
DRAIN_SECONDS = 5.0
FINAL_MESSAGE_SECONDS = 0.5
"""How long the pipe of a worker that has ended is still read: another process may hold it open."""
CLOSED_SECONDS = 2.0
"""How long a worker may take to end after it closed its pipe."""
CANCEL_SECONDS = 3.0
"""How long a worker may take to cancel what runs elsewhere; less than the pod's grace period."""
TERMINATED = 143
_END_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _END_SIGNALS | {signal.SIGCHLD, WAKE}


class Supervisor:
    """Runs in the main thread; other threads only read pipes and answer calls."""

    def __init__(self, settings: Settings) -> None:
        """Start the worker, and serve."""
        self._settings = settings
        self._worker = WorkerProcess(settings)
        processes.hide()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._state = SandboxState()
        self._output = OutputForwarder(self._worker.output, settings.max_output_bytes, self._state.wake)
        self._started: float | None = None
        self._closed: float | None = None
        self._worker_status: int | None = None
        self._worker_ended = 0.0
        self._oom_kills = 0
        self._disk_used = 0
        self._output.start()
        self._worker.listen(self._state.wake)
        Server(settings, self._state).start()

    def run(self) -> int:
        """Run the sandbox to its end; return the exit code."""
        while True:
            if self._is_terminating():
                return self._terminate()
            self._note_worker_end(processes.reap())
            outcome = self._check()
            if outcome is not None:
                return self._end(outcome)

    def _check(self) -> WorkloadOutcome | None:
        """Return the outcome once there is one."""
        workload = self._state.workload
        while not self._worker.messages.empty():
            outcome = self._handle(self._worker.messages.get(), workload)
            if outcome is not None:
                return outcome
        if self._state.is_ready and self._started is None and workload is not None:
            self._start(workload)
        if self._worker_status is not None and (self._closed or _is_past(self._worker_ended + FINAL_MESSAGE_SECONDS)):
            return self._ended_without_outcome(processes.describe(self._worker_status))
        if self._closed is not None and _is_past(self._closed + CLOSED_SECONDS):
            return self._failed(FailureKind.INTERNAL, "the workload closed the pipe on which it reports its outcome")
        return self._exceeded_limit(workload) if workload and self._started is not None else None

    def _handle(self, message: Message, workload: Workload | None) -> WorkloadOutcome | None:
        if isinstance(message, Closed):
            self._closed = time.monotonic()
            return None
        if self._started is None:
            self._state.is_ready = not isinstance(message, Invalid) and message.get("ready") is True
            return None
        try:
            if isinstance(message, Invalid) or workload is None:
                raise ValueError("not a message")
            return checked(message, workload)
        except ValueError:
            return self._failed(FailureKind.INTERNAL, "the workload wrote to the pipe on which its outcome is reported")

    def _note_worker_end(self, ended: dict[int, int]) -> None:
        if self._worker.pid in ended:
            self._worker_status, self._worker_ended = ended[self._worker.pid], time.monotonic()

    def _start(self, workload: Workload) -> None:
        self._oom_kills = processes.oom_kills()
        self._started = time.monotonic()
        threading.Thread(target=self._watch_disk, daemon=True, name="disk").start()
        self._worker.send(self._state.take_body())

    def _exceeded_limit(self, workload: Workload) -> WorkloadOutcome | None:
        limits = self._settings
        if self._milliseconds() > workload.timeout_seconds * 1000:
            return self._failed(
                FailureKind.TIME, f"the workload took longer than its timeout of {workload.timeout_seconds} s"
            )
        if self._output.limit_exceeded:
            return self._too_much_output()
        if self._disk_used > limits.disk_limit_bytes:
            return self._failed(
                FailureKind.DISK, f"the workload wrote more than {size(limits.disk_limit_bytes)} to disk"
            )
        if sum(1 for _ in processes.others()) > limits.max_processes:
            return self._failed(
                FailureKind.PROCESSES, f"the workload started more than {limits.max_processes} processes"
            )
        return None

    def _ended_without_outcome(self, how: str) -> WorkloadOutcome:
        """Return the outcome of a worker that ended without reporting one."""
        if self._started is None:
            return self._failed(FailureKind.START, f"the sandbox could not start: its worker {how}")
        if self._output.limit_exceeded:
            return self._too_much_output()
        if "SIGKILL" in how and processes.oom_kills() > self._oom_kills:
            return out_of_memory(self._settings, self._milliseconds())
        if "SIG" in how or "signal" in how:
            return self._failed(FailureKind.SCRIPT, f"the workload's process {how}")
        return self._failed(FailureKind.SCRIPT, f"the workload's process {how} before it had a result")

    def _end(self, outcome: WorkloadOutcome) -> int:
        """Kill what is left of the workload, publish the outcome, and wait until it is acknowledged."""
        processes.kill_all()
        self._output.drain(DRAIN_SECONDS)
        with suppress(OSError):
            self._settings.termination_log.write_bytes(termination_message(outcome))
        exit_code = 0 if outcome.state is WorkloadState.SUCCEEDED else 1
        if self._state.workload is None:
            return exit_code
        self._state.end(outcome)
        deadline = time.monotonic() + self._settings.linger_seconds
        while not self._state.is_acknowledged and time.monotonic() < deadline:
            if self._is_terminating():
                return TERMINATED
        time.sleep(TICK_SECONDS / 2)  # lets the answer to the acknowledgement be sent
        return exit_code

    def _terminate(self) -> int:
        self._cancel_remote_query()
        processes.kill_all()
        if self._started is not None:
            outcome = WorkloadOutcome(
                WorkloadState.CANCELLED,
                "the workload was cancelled",
                execution_milliseconds=self._milliseconds(),
            )
            with suppress(OSError):
                self._settings.termination_log.write_bytes(termination_message(outcome))
        return TERMINATED

    def _cancel_remote_query(self) -> None:
        """Let a distributed workload cancel its query at Polars Cloud, which would keep running."""
        workload = self._state.workload
        if self._started is None or self._worker_status is not None or workload is None or not workload.distributed:
            return
        with suppress(ProcessLookupError):
            os.kill(self._worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + CANCEL_SECONDS
        while self._worker.messages.empty() and self._worker.pid not in processes.reap() and not _is_past(deadline):
            time.sleep(TICK_SECONDS / 2)

    def _is_terminating(self) -> bool:
        """Wait for a signal, or a tick; return whether the sandbox is to end.

        The sender's pid is 0 for another PID namespace, which the kubelet is in.
        """
        received = signal.sigtimedwait(_SIGNALS, TICK_SECONDS)
        return received is not None and received.si_signo in _END_SIGNALS and received.si_pid == 0

    def _too_much_output(self) -> WorkloadOutcome:
        limit = _readable_size(self._settings.max_output_bytes)
        return self._failed(FailureKind.OUTPUT, f"the workload printed more than {limit}")

    def _failed(self, kind: str, error: str) -> WorkloadOutcome:
        return failed(kind, error, self._milliseconds())

    def _milliseconds(self) -> float:
        return 0.0 if self._started is None else (time.monotonic() - self._started) * 1000

    def _watch_disk(self) -> None:
        while True:
            started = time.monotonic()
            self._disk_used = disk.used(self._settings.scratch)
            time.sleep(max(DISK_SECONDS, 4 * (time.monotonic() - started)))


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def _readable_size(count: int) -> str:
    """Return a number of bytes as 16 MiB."""
    return size(count).replace("Ki", " KiB").replace("Mi", " MiB").replace("Gi", " GiB")


def main() -> int:
    """Run the sandbox; return its exit code."""
    if os.getpid() != 1:
        raise SystemExit("icefield_engines.polars must be the first process of a PID namespace: it kills all others.")
    return Supervisor(Settings.read(os.environ)).run()

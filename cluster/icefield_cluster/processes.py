"""Long-lived programs that outlive the command that started them, identified by pid and start time.

A pid alone does not identify a process, because the kernel reuses it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from icefield_cluster.commands import Argument
from icefield_cluster.errors import ClusterError


@dataclass(frozen=True)
class Process:
    """A started program.

    Args:
        name: its key in the file of the cluster's state.
        pid: its process id.
        start_ticks: the kernel's start time in clock ticks since boot.
        argv: its command line.
        fingerprint: a hash of its command line and configuration; when it changes, the program has to be restarted.
    """

    name: str
    pid: int
    start_ticks: int
    argv: tuple[str, ...]
    fingerprint: str = ""

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs; a zombie does not."""
        return start_ticks(self.pid) == self.start_ticks


def start_ticks(pid: int) -> int | None:
    """A process's start time in clock ticks since boot; None when there is none or it is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        # Both shift when the system's clock is set, so their difference stays the same.
        return round((process.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    except psutil.NoSuchProcess:
        return None


def fingerprint(argv: Sequence[Argument], configuration: str = "") -> str:
    """A hash of a command line and the text of its configuration file."""
    return hashlib.sha256("\0".join([*(str(word) for word in argv), configuration]).encode()).hexdigest()[:16]


def spawn(
    name: str,
    argv: Sequence[Argument],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    configuration: str = "",
    reader: Sequence[Argument] | None = None,
) -> Process:
    """Start a program in a session of its own, its output appended to a log.

    Args:
        name: its key in the file of the cluster's state.
        argv: program and arguments.
        log: file for stdout and stderr.
        env: variables added to ours.
        configuration: text of its configuration file, for the fingerprint.
        reader: command line of a program that gets stdout and stderr as its input and writes the log, for as long as
            there is any.

    Raises:
        ClusterError: it could not be started.
    """
    words = tuple(str(word) for word in argv)
    digest = fingerprint(argv, configuration)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _sink(log, reader) as sink:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(env or {})},
            )
    except OSError as error:
        raise ClusterError(f"{name} could not be started: {error.strerror}", log=log) from error
    return Process(name, child.pid, start_ticks(child.pid) or 0, words, digest)


def _sink(log: Path, reader: Sequence[Argument] | None) -> IO[bytes]:
    """Open a log for appending, or the input of a reader that writes it and ends with its input."""
    if reader is None:
        return log.open("ab")
    started = subprocess.Popen(
        [str(word) for word in reader],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    if started.stdin is None:
        raise OSError("a pipe was asked for")
    return started.stdin


def stop(processes: Iterable[Process], *, grace: float = 10.0) -> None:
    """End processes: SIGTERM, and SIGKILL for those that still run after `grace` seconds."""
    stop_pids({process.pid for process in processes if process.alive}, grace=grace)


def stop_pids(pids: Iterable[int], *, grace: float) -> None:
    """End processes by pid; with a grace of 0 seconds they are killed at once."""
    found = []
    for pid in pids:
        try:
            found.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    if grace > 0:
        for process in found:
            _signal(process, terminate=True)
        _, found = psutil.wait_procs(found, timeout=grace)
    for process in found:
        _signal(process, terminate=False)
    psutil.wait_procs(found, timeout=10)


def _signal(process: psutil.Process, *, terminate: bool) -> None:
    try:
        process.terminate() if terminate else process.kill()
    except psutil.NoSuchProcess:
        return


def kill_children() -> None:
    """Kill the programs that this command is running; those that are to outlive it (see `spawn`) keep running."""
    session = os.getsid(0)
    for child in psutil.Process().children(recursive=True):
        try:
            if os.getsid(child.pid) == session:
                child.kill()
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


def pids_in_network(namespace: Path) -> list[int]:
    """Every process whose network namespace is the one mounted at `namespace`; none when nothing is."""
    try:
        wanted = _identity(namespace)
    except OSError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if _identity(entry / "ns/net") == wanted:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _identity(namespace: Path) -> tuple[int, int]:
    status = namespace.stat()
    return status.st_dev, status.st_ino


def wait_until(
    what: str, required: Sequence[Process], check: Callable[[], bool], *, timeout: float, log: Path | None = None
) -> None:
    """Poll until `check()` is true.

    Args:
        what: what is waited for, the subject of the error message, such as `etcd`.
        required: processes that have to stay alive meanwhile.
        check: a callable without arguments; its truth ends the wait.
        timeout: seconds.
        log: shown with a failure.

    Raises:
        ClusterError: time is up, or one of the processes ended.
    """

    def is_ready() -> bool:
        if check():
            return True
        for process in required:
            if not process.alive:
                raise ClusterError(f"{process.name} ended before {what} was ready", log=log)
        return False

    poll = Retrying(
        retry=retry_if_result(lambda done: not done),
        wait=wait_exponential(multiplier=0.05, exp_base=1.5, max=0.5),
        stop=stop_after_delay(timeout),
    )
    try:
        poll(is_ready)
    except RetryError:
        raise ClusterError(f"{what} was not ready after {timeout:.0f} s", log=log) from None

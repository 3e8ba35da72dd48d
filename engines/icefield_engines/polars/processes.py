"""The processes of the sandbox, seen from its first one (proc(5), kill(2), pid_namespaces(7))."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_OOM_COUNTERS = (
    (Path("/sys/fs/cgroup/memory.events"), "oom_kill"),  # cgroup v2
    (Path("/sys/fs/cgroup/memory/memory.oom_control"), "oom_kill"),  # cgroup v1
)
_PR_SET_DUMPABLE = 4
_KILL_SECONDS = 10.0


def hide() -> None:
    """Keep this process's memory, environment and descriptors from others of the same user (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def others() -> Iterator[Path]:
    """Yield the /proc directory of every other process."""
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and entry.name != "1":
            yield Path(entry.path)


def reap() -> dict[int, int]:
    """Reap children that ended; return their wait statuses by process id."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended[child[0]] = child[1]
    return ended


def kill_all() -> dict[int, int]:
    """Kill every other process of the PID namespace; return the wait statuses of those that are gone.

    Raises:
        RuntimeError: this is not the first process of its namespace, so the others are not ours.
    """
    ended: dict[int, int] = {}
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        if os.getpid() != 1:
            raise RuntimeError("only the first process of a PID namespace may kill all others")
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            break
        ended.update(reap())
        time.sleep(0.002)
    ended.update(reap())
    return ended


def oom_kills() -> int:
    """Return how many processes of this container the kernel has killed for lack of memory."""
    for path, name in _OOM_COUNTERS:
        with suppress(OSError, ValueError):
            counters = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
            if name in counters:
                return int(counters[name])
    return 0


def describe(status: int) -> str:
    """Return how a process ended, from its wait status: `was ended by SIGSEGV` or `ended with exit code 3`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"

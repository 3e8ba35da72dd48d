"""Processes are identified by pid and start time, outlive their starter, and can be ended."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from icefield_cluster import processes
from icefield_cluster.errors import ClusterError


def test_a_reused_pid_is_another_process() -> None:
    ours = processes.Process("us", os.getpid(), processes.start_ticks(os.getpid()) or 0, ())
    assert ours.alive
    assert not dataclasses.replace(ours, start_ticks=ours.start_ticks - 1).alive


def test_spawned_processes_outlive_their_starter(tmp_path: Path) -> None:
    program = (
        "import pathlib;from icefield_cluster import processes;"
        f"print(processes.spawn('s', ['sleep', '60'], log=pathlib.Path({str(tmp_path / 'log')!r})).pid)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    pid = int(done.stdout)
    try:
        assert processes.start_ticks(pid) is not None
    finally:
        processes.stop_pids([pid], grace=5)
    assert processes.start_ticks(pid) is None


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);print('ready',flush=True);time.sleep(60)"
    )
    log = tmp_path / "log"
    process = processes.spawn("stubborn", [sys.executable, "-c", stubborn], log=log)
    processes.wait_until("it", [process], lambda: "ready" in log.read_text(), timeout=30)
    processes.stop([process], grace=0.2)
    assert not process.alive


def test_waiting_ends_when_the_process_ended(tmp_path: Path) -> None:
    process = processes.spawn("short", ["true"], log=tmp_path / "log")
    with pytest.raises(ClusterError, match="short ended before the thing was ready"):
        processes.wait_until("the thing", [process], lambda: False, timeout=30)


def test_waiting_ends_with_its_timeout() -> None:
    with pytest.raises(ClusterError, match="the thing was not ready after 0 s"):
        processes.wait_until("the thing", [], lambda: False, timeout=0.1)


def test_the_start_time_is_the_kernels() -> None:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert processes.start_ticks(os.getpid()) == int(fields[19])


def test_fingerprints_differ_by_configuration() -> None:
    assert processes.fingerprint(["a", "b"]) == processes.fingerprint(["a", "b"])
    assert processes.fingerprint(["a", "b"]) != processes.fingerprint(["a", "b"], "configuration")

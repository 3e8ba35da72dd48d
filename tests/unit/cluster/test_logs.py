"""What a program prints is kept within bounds, and its newest lines are where its log is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from icefield_cluster import processes
from icefield_cluster.standalone import logs

pytestmark = pytest.mark.skipif(shutil.which(logs.PROGRAM) is None, reason="apache2-utils is not installed")

LINES = "import sys; [print(sys.argv[1], n, flush=True) for n in range(int(sys.argv[2]))]"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 4096)


def run(log: Path, word: str, count: int) -> None:
    """Start a program as services.ensure does, and wait for its last line."""
    logs.begin(log)
    argv = [sys.executable, "-c", LINES, word, str(count)]
    process = processes.spawn("p", argv, log=log, reader=logs.reader(log))
    last = f"{word} {count - 1}\n"
    processes.wait_until("the last line", [], lambda: log.exists() and log.read_text().endswith(last), timeout=30)
    processes.wait_until("its end", [], lambda: not process.alive, timeout=30)


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "rotated").iterdir())


def test_a_log_is_bounded_however_much_is_printed(tmp_path: Path) -> None:
    log = tmp_path / "kubelet.log"
    run(log, "line", 20_000)
    # A file may end within what was read at once.
    assert total(tmp_path) < (logs.FILES + 1) * (logs.LIMIT + 65536)
    assert "line 0\n" not in "".join(path.read_text() for path in (tmp_path / "rotated").iterdir())


def test_what_a_program_printed_before_it_ended_outlasts_its_restart(tmp_path: Path) -> None:
    log = tmp_path / "kubelet.log"
    for word in ("first", "second", "third"):
        run(log, word, 3)
    assert log.read_text() == "third 0\nthird 1\nthird 2\n"
    assert (tmp_path / "rotated" / "kubelet.log.previous").read_text() == "second 0\nsecond 1\nsecond 2\n"


def test_large_logs_of_commands_are_set_aside_and_those_of_running_programs_are_not(tmp_path: Path) -> None:
    run(tmp_path / "kubelet.log", "line", 400)
    (tmp_path / "kubeadm.log").write_text("x" * 5000)
    (tmp_path / "roles.log").write_text("small")
    size = (tmp_path / "kubelet.log").stat().st_size
    with (tmp_path / "kubelet.log").open("a") as log:
        log.write("y" * 5000)
    logs.bound(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.log")) == ["kubelet.log", "roles.log"]
    assert (tmp_path / "kubelet.log").stat().st_size == size + 5000
    assert (tmp_path / "rotated" / "kubeadm.log.previous").stat().st_size == 5000


def test_readers_end_with_their_cluster(tmp_path: Path) -> None:
    log = tmp_path / "sleeper.log"
    process = processes.spawn("sleeper", ["sh", "-c", "echo up; exec sleep 60"], log=log, reader=logs.reader(log))
    processes.wait_until("its log", [process], log.exists, timeout=30)
    logs.stop_readers(tmp_path)
    assert not [pid for pid in processes.psutil.pids() if str(tmp_path) in _command_line(pid)]
    processes.stop([process])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

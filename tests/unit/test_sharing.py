"""How the workers of a run share services: started once, used together or alone, and in which order files go out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import schedule, shared
from tests.timing import Cost, Shift, shift_table, tables

STOPPED: list[str] = []


@dataclass(frozen=True)
class Service:
    name: str

    def stop(self) -> None:
        STOPPED.append(self.name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of its own."""
    monkeypatch.setenv(shared.RUN_FOLDER, "")
    shared.open_run()
    return Path(os.environ[shared.RUN_FOLDER])


def test_a_service_is_started_once_and_stopped_at_the_end(run: Path) -> None:
    folders: list[Path] = []

    def start(folder: Path) -> Service:
        folders.append(folder)
        return Service(f"service {len(folders)}")

    assert [shared.shared("a", start).name for _ in range(2)] == ["service 1"] * 2
    assert shared.shared("b", start).name == "service 2"
    assert [folder.parent for folder in folders] == [run, run]
    shared.close_run()
    assert STOPPED == ["service 2", "service 1"]
    assert not run.exists()


def test_a_service_that_did_not_start_is_started_again(run: Path) -> None:
    def fail(folder: Path) -> Service:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        shared.shared("a", fail)
    assert shared.shared("a", lambda folder: Service("a")).name == "a"
    shared.close_run()


def can_use(*, alone: bool) -> bool:
    """Whether another process can use the service now."""
    flag = "EX" if alone else "SH"
    path = Path(os.environ[shared.RUN_FOLDER]) / "a.use"
    program = f"import fcntl, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_{flag} | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-S", "-c", program, path], capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def test_a_service_is_used_together_or_alone(run: Path) -> None:
    with shared.Use.of("a") as use:
        assert (can_use(alone=False), can_use(alone=True)) == (True, False)
        with use.alone():
            assert not can_use(alone=False)
            with shared.Use.of("a"):
                assert not can_use(alone=False)
        assert can_use(alone=False)
    assert can_use(alone=True)
    shared.close_run()


def test_unit_tests_go_first_and_the_whole_cluster_takes_turns() -> None:
    collected = [
        "tests/api/test_a.py",
        "tests/chaos/test_b.py",
        "tests/e2e/test_c.py",
        "tests/integration/test_d.py",
        "tests/integration/test_e.py",
        "tests/unit/test_f.py",
    ]
    assert schedule.ordered(collected) == [collected[number] for number in (5, 2, 3, 1, 4, 0)]


def test_files_that_want_the_whole_cluster_alone_come_last_of_those_that_use_it_and_stay_together() -> None:
    collected = ["tests/chaos/test_a.py", "tests/e2e/exclusive/test_b.py", "tests/e2e/test_c.py"]
    assert schedule.ordered(collected) == [collected[number] for number in (2, 0, 1)]
    assert [schedule.group_of(path) for path in collected] == ["exclusive", "exclusive", "tests/e2e/test_c.py"]


def test_the_time_table_sums_files_to_layers() -> None:
    files = {"tests/unit/test_a.py": Cost(), "tests/unit/sql/test_b.py": Cost()}
    for cost in files.values():
        cost.add("setup", 1.0, 0.5)
        cost.add("call", 6.0, 2.0)
    lines = list(tables(files, {"control_plane": [3.0, 0.25]}))
    assert "| unit | 2 | 2 | 12 | 0 | 14 | 5 |" in lines
    assert "| tests/unit/test_a.py | 1 | 1 | 6 | 0 | 7 | 2 |" in lines
    assert "| control_plane | 2 | 3.2 |" in lines


def test_the_time_table_shows_what_workers_spend_between_tests() -> None:
    shift = Shift(first=110.0, last=110.0)
    for test, start, stop in (("a", 110.0, 112.0), ("b", 112.5, 120.0), ("c", 150.0, 151.0), ("d", 151.0, 152.0)):
        shift.add(report(test, start, stop))
    assert list(shift_table({"gw0": shift}, start=100.0))[-1] == "| gw0 | 10 | 52 | 30 | c |"


def report(test: str, start: float, stop: float) -> pytest.TestReport:
    return pytest.TestReport(test, ("", 0, ""), {}, "passed", None, "call", start=start, stop=stop)

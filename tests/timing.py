"""A time table at the end of each run: what each layer and file of tests cost, start-up apart from the tests.

The seconds are summed over the workers of the run, so they add up to more than the clock shows. A fixture of the
session is started within the set-up of the first test that asks for it; those are listed by name as well. The CPU
seconds are those of the workers and of the programs that they waited for. What a worker spends between tests is in no
test's seconds, so its longest pause has a table of its own; and a worker that finishes nothing for half an hour prints
where it is and ends, before CI's time does.
"""

from __future__ import annotations

import faulthandler
import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import PurePath
from typing import Any

import pytest

CPU = "cpu_seconds"
FIXTURES = "session_fixtures"
PHASES = ("setup", "call", "teardown")
MIN_FILE_SECONDS = 5.0
MIN_FIXTURE_SECONDS = 1.0
STUCK_SECONDS = 1800
"""Longer than any phase of a test takes, the wait for a cluster of which nothing is cached included."""


@dataclass
class Cost:
    """Seconds of some tests, by phase."""

    tests: int = 0
    setup: float = 0.0
    call: float = 0.0
    teardown: float = 0.0
    cpu: float = 0.0

    @property
    def total(self) -> float:
        """All of its seconds."""
        return self.setup + self.call + self.teardown

    def add(self, phase: str, seconds: float, cpu: float) -> None:
        """Add one phase of one test."""
        self.tests += phase == "setup"
        setattr(self, phase, getattr(self, phase) + seconds)
        self.cpu += cpu

    def __add__(self, other: Cost) -> Cost:
        """The sum of both."""
        return Cost(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class Shift:
    """When a worker ran tests, as seconds since the epoch, and its longest pause.

    Args:
        first: the start of its first phase.
        last: the end of its last phase so far.
        pause: the most seconds that passed between one phase and the next.
        before: the test that followed this pause.
    """

    first: float
    last: float
    pause: float = 0.0
    before: str = ""

    def add(self, report: pytest.TestReport) -> None:
        """Add one phase of one test."""
        if report.start - self.last > self.pause:
            self.pause, self.before = report.start - self.last, report.nodeid
        self.last = max(self.last, report.stop)


class TimeTable:
    """Collects the reports of a run, those of all workers, and prints the table."""

    def __init__(self) -> None:
        """Start with nothing reported."""
        self._files: dict[str, Cost] = defaultdict(Cost)
        self._fixtures: dict[str, list[float]] = defaultdict(list)
        self._shifts: dict[str, Shift] = {}
        self._start = time.monotonic()
        self._start_time = time.time()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of one test; the report of a worker that crashed has no phase."""
        if report.when not in PHASES:
            return
        self._files[report.nodeid.partition("::")[0]].add(report.when, report.duration, getattr(report, CPU, 0.0))
        self._shifts.setdefault(getattr(report, "worker_id", "main"), Shift(report.start, report.start)).add(report)
        for fixture, seconds in getattr(report, FIXTURES, {}).items():
            self._fixtures[fixture].append(seconds)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the tables, as Markdown."""
        if not self._files or terminalreporter.config.option.collectonly:
            return
        terminalreporter.section("time table")
        terminalreporter.write_line(
            f"{time.monotonic() - self._start:.0f} s by the clock; seconds summed over workers:"
        )
        for line in (*tables(self._files, self._fixtures), "", *shift_table(self._shifts, self._start_time)):
            terminalreporter.write_line(line)


class Clock:
    """Measures in the process that runs the tests; what it measures travels with the tests' reports."""

    def __init__(self) -> None:
        """Start the clock."""
        self._fixtures: dict[str, float] = {}
        self._cpu = _cpu_seconds()
        # Where the run prints, also while pytest captures a test's output.
        self._stderr = os.dup(2)
        self._watch()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Measure one fixture; what it depends on was started before."""
        start = time.monotonic()
        result = yield
        if fixturedef.scope == "session":
            self._fixtures[fixturedef.argname] = time.monotonic() - start
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what was measured since the report before."""
        report = yield
        self._watch()
        now = _cpu_seconds()
        setattr(report, CPU, now - self._cpu)
        setattr(report, FIXTURES, dict(self._fixtures))
        self._cpu = now
        self._fixtures.clear()
        return report

    def pytest_unconfigure(self) -> None:
        """Watch no longer: a worker that has no more tests waits for the others."""
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True, file=self._stderr)


def _cpu_seconds() -> float:
    """The processor time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def register(config: pytest.Config) -> None:
    """Have a run measured: workers measure, and the process that the user started prints."""
    if config.getoption("numprocesses", None) is None or hasattr(config, "workerinput"):
        config.pluginmanager.register(Clock(), "icefield-clock")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(TimeTable(), "icefield-time-table")


def layer_of(path: str) -> str:
    """The layer that a file of tests belongs to: the folder below tests/."""
    parts = PurePath(path).parts
    return parts[1] if len(parts) > 2 else parts[0]


def tables(files: Mapping[str, Cost], fixtures: Mapping[str, Iterable[float]]) -> Iterator[str]:
    """Lines of three Markdown tables: by layer, by file, by fixture of the session."""
    layers: dict[str, Cost] = defaultdict(Cost)
    for path, cost in files.items():
        layers[layer_of(path)] += cost
    yield from _table("layer", layers)
    yield ""
    yield from _table("file", {path: cost for path, cost in files.items() if cost.total >= MIN_FILE_SECONDS})
    slow = {name: list(seconds) for name, seconds in fixtures.items() if sum(seconds) >= MIN_FIXTURE_SECONDS}
    if slow:
        yield from ("", "| session fixture | times | seconds |", "|---|--:|--:|")
        for name, seconds in sorted(slow.items(), key=lambda entry: -sum(entry[1])):
            yield f"| {name} | {len(seconds)} | {sum(seconds):.1f} |"


def shift_table(shifts: Mapping[str, Shift], start: float) -> Iterator[str]:
    """Lines of a Markdown table: when each worker ran tests, in seconds since the start of the run."""
    yield "| worker | first test at s | last test at s | longest pause s | before |"
    yield "|---|--:|--:|--:|---|"
    for worker, shift in sorted(shifts.items()):
        figures = " | ".join(f"{seconds:.0f}" for seconds in (shift.first - start, shift.last - start, shift.pause))
        yield f"| {worker} | {figures} | {shift.before} |"


def _table(head: str, costs: Mapping[str, Cost]) -> Iterator[str]:
    yield f"| {head} | tests | set-up s | test s | tear-down s | all s | CPU s |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, cost in sorted(costs.items(), key=lambda entry: -entry[1].total):
        figures = " | ".join(
            f"{seconds:.0f}" for seconds in (cost.setup, cost.call, cost.teardown, cost.total, cost.cpu)
        )
        yield f"| {name} | {cost.tests} | {figures} |"

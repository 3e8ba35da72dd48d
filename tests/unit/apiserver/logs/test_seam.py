"""The seam between two sources of one log."""

from __future__ import annotations

import random

import pytest

from icefield_apiserver.logs import seam as module
from icefield_apiserver.logs.seam import Seam

Line = tuple[str, str]


def join(archived: list[Line], live: list[Line]) -> list[Line]:
    """Return what a reader is told who reads one after the other."""
    seam = Seam()
    told = []
    for source in (archived, live):
        seam.begin()
        for line in source:
            if not seam.is_repeated(*line):
                seam.pass_on(*line)
                told.append(line)
    return told


def at(nano: int) -> str:
    return f"2026-06-01T08:00:{nano // 10:02d}.{nano % 10:09d}Z"


def test_every_cut_of_a_log_with_equal_timestamps_joins() -> None:
    log = [(at(n // 3), f"line {n}") for n in range(60)]
    for cut in range(len(log) + 1):
        assert join(log[:cut], log) == log
        for since in range(cut + 1):
            assert join(log[:cut], log[since:]) == log


def test_equal_lines_of_one_time_are_counted() -> None:
    log = [(at(1), "same")] * 5
    for cut in range(6):
        assert join(log[:cut], log) == log


def test_lines_a_little_out_of_order_join() -> None:
    chance = random.Random(1)  # noqa: S311
    for _ in range(200):
        log = sorted((at(chance.randrange(40)), f"line {n}") for n in range(30))
        place = chance.randrange(25)
        shuffled = log[place : place + 5]
        chance.shuffle(shuffled)
        log[place : place + 5] = shuffled
        cut = chance.randrange(31)
        assert join(log[:cut], log) == log


def test_the_next_source_is_asked_from_the_oldest_line_remembered() -> None:
    seam = Seam()
    assert seam.since is None
    for timestamp in (at(25), at(31), at(29)):
        seam.pass_on(timestamp, "")
    assert seam.since == "2026-06-01T08:00:02Z"


def test_memory_is_bounded_and_what_is_forgotten_counts_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 10)
    log = [(at(n), "same") for n in range(100)]
    seam = Seam()
    for line in log[:60]:
        seam.pass_on(*line)
    seam.begin()
    assert [line for line in log if not seam.is_repeated(*line)] == log[60:]

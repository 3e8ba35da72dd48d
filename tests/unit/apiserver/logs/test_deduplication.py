"""Two sources of one log, joined."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from icefield_apiserver.features.logs import deduplication as module
from icefield_apiserver.features.logs.deduplication import Deduplicator

Line = tuple[str, str]


def join(archived: list[Line], live: list[Line]) -> list[Line]:
    """Return what a reader gets who reads one after the other."""
    deduplicator = Deduplicator()
    lines = []
    for source in (archived, live):
        deduplicator.start_source()
        for line in source:
            if not deduplicator.is_duplicate(*line):
                deduplicator.record(*line)
                lines.append(line)
    return lines


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


def test_the_next_source_is_read_from_the_oldest_line_kept() -> None:
    deduplicator = Deduplicator()
    assert deduplicator.since is None
    for timestamp in (at(25), at(31), at(29)):
        deduplicator.record(timestamp, "")
    assert deduplicator.since == "2026-06-01T08:00:02Z"


def test_memory_is_bounded_and_forgotten_lines_count_as_yielded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 10)
    log = [(at(n), "same") for n in range(100)]
    deduplicator = Deduplicator()
    for line in log[:60]:
        deduplicator.record(*line)
    deduplicator.start_source()
    assert [line for line in log if not deduplicator.is_duplicate(*line)] == log[60:]


def test_a_source_is_joined_once_it_has_repeated_a_line() -> None:
    deduplicator = Deduplicator()
    deduplicator.start_source()
    assert deduplicator.is_joined  # nothing can be missing before the first line
    deduplicator.record(at(1), "a")
    deduplicator.start_source()
    assert not deduplicator.is_duplicate(at(2), "b")
    assert not deduplicator.is_joined
    assert deduplicator.is_duplicate(at(1), "a")
    assert deduplicator.is_joined


def test_what_a_follower_keeps_of_a_long_log_is_small() -> None:
    tracemalloc.start()
    try:
        deduplicator = Deduplicator()
        for n in range(3 * module.WINDOW):
            deduplicator.record(at(n % 600), f"line {n}")
        deduplicator.start_source()
        assert deduplicator.is_duplicate(at(599), f"line {3 * module.WINDOW - 1}")
        assert not deduplicator.is_duplicate("2026-06-02T08:00:00.000000000Z", "much later")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000

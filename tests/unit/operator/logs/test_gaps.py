"""Where a stream of the kubelet has probably skipped a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_operator.logs.gaps import RotationGaps, Watch

MIB = 1024 * 1024

CASES = {
    "a busy log, read late, jumps": (8 * MIB, 12, 0.1, True),
    "a busy log that paused while it was read at once": (8 * MIB, 12, 12, False),
    "a busy log that paused, read a little late": (8 * MIB, 12, 11, False),
    "a short jump": (8 * MIB, 5, 0.1, False),
    "a quiet log that is read late": (10_000, 60, 0.1, False),
}


@pytest.mark.parametrize(("size", "jump", "waited", "expected"), CASES.values(), ids=CASES.keys())
def test_a_gap(size: int, jump: int, waited: float, expected: bool) -> None:
    gaps = RotationGaps()
    assert not gaps.is_before("2026-03-01T10:00:00.1Z", size, 100.0)
    assert gaps.is_before(f"2026-03-01T10:00:{jump:02}.1Z", 100, 100.0 + waited) is expected
    assert not gaps.is_before(f"2026-03-01T10:00:{jump:02}.2Z", 100, 100.0 + waited)


def test_a_stream_never_begins_with_one() -> None:
    assert not RotationGaps(100 * MIB).is_before("2026-03-01T10:00:00.1Z", 100, 5.0)


def test_what_was_read_before_counts() -> None:
    gaps = RotationGaps(100 * MIB)
    gaps.is_before("2026-03-01T10:00:00.1Z", 100, 5.0)
    assert gaps.is_before("2026-03-01T10:00:30.1Z", 100, 5.1)


START = datetime(2026, 3, 1, 10, tzinfo=UTC)

# name: when streams were open (the last one still is), when the first line was written and read; seconds after the
# container's start. Whether it is unknown if the log begins with that line.
WATCHES: dict[str, tuple[list[tuple[float, float | None]], float, float, bool]] = {
    "in time, and a line at once": ([(1, None)], 1.5, 1.6, False),
    "in time, and an hour of silence": ([(1, None)], 3600, 3600.1, False),
    "late, and a line from the start": ([(100, None)], 1, 100.1, False),
    "late, and an old line": ([(100, None)], 60, 100.1, True),
    "late, and silence since": ([(100, None)], 3600, 3600.1, True),
    "in time, with short pauses": ([(1, 300), (301, 600), (604, None)], 3600, 3600.1, False),
    "in time, with a long pause": ([(1, 300), (330, None)], 3600, 3600.1, True),
    "in time, and a line of a short pause": ([(1, 300), (304, None)], 302, 304.1, False),
}


@pytest.mark.parametrize(("streams", "first", "read_at", "expected"), WATCHES.values(), ids=WATCHES.keys())
@pytest.mark.parametrize("here", [0.0, 5000.0])
def test_whether_a_log_begins_with_its_first_line(
    streams: list[tuple[float, float | None]], first: float, read_at: float, expected: bool, here: float
) -> None:
    watch = Watch(START)
    for opened, closed in streams:
        watch.open(here + opened)
        if closed is not None:
            watch.close(here + closed)
    assert watch.may_miss_start(START + timedelta(seconds=first), here + read_at) is expected


def test_of_a_container_whose_start_is_not_known_nothing_is_suspected() -> None:
    watch = Watch(None)
    watch.open(5000.0)
    assert not watch.may_miss_start(START, 5001.0)

"""Where a stream of the kubelet has probably skipped a file."""

from __future__ import annotations

import pytest

from icefield_operator.logs.gaps import RotationGaps

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

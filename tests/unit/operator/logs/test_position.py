"""Where a log is resumed: what is archived, what is new, and whether lines between them are missing."""

from __future__ import annotations

import pytest

from icefield_crds.wire.log_line import GAP_MESSAGE, LogLine, encode_gap
from icefield_operator.logs.position import Position, Verdict

A, N, G = Verdict.ARCHIVED, Verdict.NEW, Verdict.NEW_AFTER_GAP


def stamp(second: float) -> str:
    return f"2026-03-01T10:00:{second:012.9f}Z"


def line(second: float, message: str = "x") -> bytes:
    """Return the record of a line logged at this second."""
    return LogLine(stamp(second), message, "main", 0).encode()


def gap(second: float) -> bytes:
    return encode_gap(stamp(second), GAP_MESSAGE, "main", 0)


def resumed(*parts: list[bytes]) -> Position:
    """Return the position after these parts, as Archive.position reads them."""
    position = Position(next_part=len(parts))
    for part in reversed(parts):
        if not position.add_archived(part):
            break
    return position


TICK = [line(5), line(5), line(5)]

CASES = {
    "nothing archived": ([], [line(1)], [N]),
    "nothing but a gap archived": ([[gap(1)]], [line(1)], [N]),
    "goes on": ([[line(1), line(2)]], [line(1), line(2), line(3)], [A, A, N]),
    "begins before the overlap": ([[line(1), line(9)]], [line(1), line(3), line(9), line(9.5)], [A, A, A, N]),
    "over a border of parts": ([[line(8), line(9)], [line(9.5)]], [line(9), line(9.5), line(9.6)], [A, A, N]),
    "equal lines": ([TICK[:2]], TICK, [A, A, N]),
    "last line after a gap's": ([[gap(2), line(2)]], [line(2), line(3)], [A, N]),
    "a late line of stderr": ([[line(5), line(4.9)]], [line(5), line(4.9), line(4.8), line(6)], [A, A, N, N]),
    "a very late line": ([[line(1), line(5)]], [line(1), line(5), line(1, "late"), line(6)], [A, A, N, N]),
    "rotated away": ([[line(1), line(2)]], [line(8), line(9)], [G, N]),
    "rotated away within the overlap": ([[line(1), line(2)]], [line(2.5), line(9)], [G, N]),
    "first lines gone, last there": ([[line(1), line(1.5), line(2)]], [line(2), line(3)], [A, N]),
    "a line was archived in half": ([[line(1, "ab")]], [line(1, "abcd"), line(2)], [G, N]),
}


@pytest.mark.parametrize(("parts", "stream", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_stream_has_that_the_archive_lacks(
    parts: list[list[bytes]], stream: list[bytes], expected: list[Verdict]
) -> None:
    position = resumed(*parts)
    assert [position.judge(record) for record in stream] == expected
    assert position.is_reached


def test_that_nothing_new_was_there_tells_whether_the_last_line_was() -> None:
    position = resumed([line(1), line(2)])
    position.judge(line(1))
    assert not position.is_reached
    position.judge(line(2))
    assert position.is_reached


def test_older_parts_are_read_as_far_as_the_overlap_goes() -> None:
    position = Position()
    assert position.add_archived([line(9)])
    assert position.add_archived([line(8.2)])
    assert not position.add_archived([line(7)])
    assert position.since_time == "2026-03-01T10:00:08Z"


def test_no_task_can_print_a_gap() -> None:
    from icefield_crds.wire.log_line import is_gap

    assert is_gap(gap(1))
    assert not is_gap(line(1, GAP_MESSAGE))
    assert not is_gap(LogLine(stamp(1), ',"gap":true}', "main", 0).encode())

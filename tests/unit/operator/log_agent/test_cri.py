"""From the runtime's files to the stream that the kubelet makes of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from icefield_operator.log_agent.cri import CriDecoder, time_of

A, B, C = (b"2026-03-01T10:00:0%d.5Z" % second for second in (1, 2, 3))

CASES = {
    "lines": (A + b" stdout F one\n" + B + b" stderr F two words\n", A + b" one\n" + B + b" two words\n"),
    "an empty line": (A + b" stdout F \n", A + b" \n"),
    "what the runtime cut": (
        A + b" stdout P on\n" + B + b" stdout F e\n" + C + b" stdout F x\n",
        A + b" one\n" + C + b" x\n",
    ),
    "a cut character": (A + b" stdout P \xc3\n" + B + b" stdout F \xa9\n", A + " é\n".encode()),
    "another stream between": (
        A + b" stdout P on\n" + B + b" stderr F x\n" + C + b" stdout F e\n",
        A + b" on\n" + B + b" x\n" + C + b" e\n",
    ),
    "further tags": (A + b" stdout P:x on\n" + B + b" stdout F:x e\n", A + b" one\n"),
    "local time": (b"2026-03-01T10:00:00+02:00 stdout F x\n", b"2026-03-01T10:00:00+02:00 x\n"),
    "not written to its end": (A + b" stdout F one\n" + B + b" stdo", A + b" one\n"),
    "damaged": (
        b"?\n" + A + b" stdout F one\n\0\0\0\n??\n" + C + b" stdout F x\n",
        A + b" one\n" + A + b" ??\n" + C + b" x\n",
    ),
}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("written", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_file_says(written: bytes, expected: bytes, size: int) -> None:
    decoder = CriDecoder()
    assert b"".join(decoder.feed(written[i : i + size]) for i in range(0, len(written), size)) == expected


def test_a_line_that_is_rotated_goes_on_in_the_next_file() -> None:
    decoder = CriDecoder()
    served = decoder.feed(A + b" stdout P on\n") + decoder.end_file() + decoder.feed(B + b" stdout F e\n")
    assert served == A + b" one\n"


def test_the_last_line_of_a_file_that_was_not_finished_is_kept() -> None:
    decoder = CriDecoder()
    assert decoder.feed(A + b" stdout F on") + decoder.end_file() == A + b" on\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (A + b" stdout F one", datetime(2026, 3, 1, 10, 0, 1, 500000, UTC)),
        (A, None),
        (b"", None),
        (b"? ?", None),
    ],
)
def test_the_time_of_the_first_line(head: bytes, expected: datetime | None) -> None:
    assert time_of(head) == expected

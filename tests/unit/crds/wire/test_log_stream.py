"""The stream that the kubelet serves as a log: lines, long lines, timestamps."""

from __future__ import annotations

import pytest

from icefield_crds.wire.log_stream import LineReader, Piece, Splitter, utc

T1 = b"2026-03-01T10:00:00.000000001Z"


def split(text: bytes, size: int, limit: int = 20) -> list[Piece]:
    """Split a text that arrives in chunks of this size."""
    splitter = Splitter(limit)
    pieces = [piece for i in range(0, len(text), size) for piece in splitter.feed(text[i : i + size])]
    return [*pieces, *splitter.end()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_how_the_stream_was_cut(size: int) -> None:
    assert split(b"one\n\nthree " + b"x" * 50 + b"\nlast", size) == [
        (b"one", False),
        (b"", False),
        (b"three " + b"x" * 14, False),
        (b"x" * 20, True),
        (b"x" * 16, True),
        (b"last", False),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("character", ["é", "€", "𝄞"])
@pytest.mark.parametrize("before", range(5))
def test_no_character_of_a_long_line_is_cut(size: int, character: str, before: int) -> None:
    line = "x" * before + character * 60
    pieces = split(line.encode() + b"\nnext\n", size)
    assert "".join(text.decode() for text, _ in pieces[:-1]) == line
    assert all(len(text) > 16 for text, _ in pieces[:-2])
    assert [continues for _, continues in pieces] == [False, *[True] * (len(pieces) - 2), False]


def test_bytes_that_are_no_text_are_cut_at_the_limit() -> None:
    assert split(b"\x80" * 50 + b"\n", 7) == [(b"\x80" * 20, False), (b"\x80" * 20, True), (b"\x80" * 10, True)]


@pytest.mark.parametrize("length", [19, 20])
def test_a_line_as_long_as_the_limit_is_not_continued(length: int) -> None:
    assert split(b"x" * length + b"\nnext\n", 7) == [(b"x" * length, False), (b"next", False)]


@pytest.mark.parametrize(("rest", "expected"), [(b"", []), (b"2026-01-01T00:00:00.5Z ", []), (b"x", [(b"x", False)])])
def test_a_line_that_was_being_written_is_left_to_the_next_reading(rest: bytes, expected: list[Piece]) -> None:
    assert split(b"2026-01-01T00:00:00Z whole\n" + rest, 100, 1000) == [
        (b"2026-01-01T00:00:00Z whole", False),
        *expected,
    ]


def test_a_piece_has_the_timestamp_of_its_line() -> None:
    reader = LineReader()
    assert reader.read((b"the rest of a line", True)) is None
    assert not reader.has_begun
    assert reader.read((T1 + b" start", False)) == (T1.decode(), "start", False)
    assert reader.read((T1 + b" is text here", True)) == (T1.decode(), T1.decode() + " is text here", True)
    assert reader.read((b"failed to create fsnotify watcher: too many open files", False)) is None
    assert reader.has_begun


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01T10:00:00.123456789Z", "2026-03-01T10:00:00.123456789Z"),
        ("2026-03-01T10:00:00.12Z", "2026-03-01T10:00:00.120000000Z"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.000000000Z"),
        ("2026-03-01T01:00:00.123456789+02:00", "2026-02-28T23:00:00.123456789Z"),
        ("2026-03-01T01:00:00.5-05:30", "2026-03-01T06:30:00.500000000Z"),
    ],
)
def test_timestamps_are_written_alike(written: str, expected: str) -> None:
    assert utc(written.encode()) == expected

"""Lines: from the kubelet's bytes to archived records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from icefield_operator.logs.lines import Encoder, Splitter, newest, timestamp_of

T1 = b"2026-03-01T10:00:00.000000001Z"
T2 = b"2026-03-01T10:00:00.900000002+01:00"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_how_the_stream_was_cut(size: int) -> None:
    text = b"one\n\nthree " + b"x" * 50 + b"\nlast"
    splitter = Splitter(limit=20)
    lines = [line for i in range(0, len(text), size) for line in splitter.feed(text[i : i + size])]
    lines += splitter.end()
    assert lines == [b"one", b"", b"three " + b"x" * 14, b"x" * 20, b"x" * 16, b"last"]


def test_a_line_becomes_one_json_object() -> None:
    record = Encoder("load", 2).encode(T1 + b' say "hi" \xff\xc3\xa9')
    assert record is not None
    assert record.endswith(b"\n")
    assert json.loads(record) == {
        "timestamp": T1.decode(),
        "message": 'say "hi" \ufffdé',
        "task": "load",
        "attempt": 2,
    }


def test_an_empty_line_is_a_line() -> None:
    record = Encoder("main", 0).encode(T1 + b" ")
    assert record is not None
    assert json.loads(record)["message"] == ""


def test_a_piece_without_timestamp_continues_the_line_before() -> None:
    start = T1 + b" start"
    encoder = Encoder("main", 0, limit=len(start))
    assert encoder.encode(b"the rest of a line") is None
    encoder.encode(start)
    record = encoder.encode(b"of 2 pieces")
    assert record is not None
    assert json.loads(record)["timestamp"] == T1.decode()
    assert json.loads(record)["message"] == "of 2 pieces"


def test_the_kubelets_own_words_are_not_the_logs() -> None:
    encoder = Encoder("main", 0)
    assert not encoder.has_begun
    encoder.encode(T1 + b" a whole line")
    assert encoder.has_begun
    assert encoder.encode(b"failed to create fsnotify watcher: too many open files") is None


def test_a_carriage_return_stays_in_the_line() -> None:
    record = Encoder("main", 0).encode(T1 + b" 10%\r20%")
    assert record is not None
    assert record.splitlines(keepends=True) == [record]


def test_the_newest_time_need_not_be_the_last() -> None:
    encoder = Encoder("main", 0)
    records = [record for line in (T1, T2) if (record := encoder.encode(line + b" x"))]
    assert timestamp_of(records[1]) == datetime(2026, 3, 1, 9, 0, 0, 900000, tzinfo=UTC)
    assert newest(records) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert newest([]) is None


def test_what_is_no_record_has_no_time() -> None:
    with pytest.raises(ValueError, match="not a line of a log"):
        timestamp_of(b"{}\n")


@pytest.mark.parametrize(("rest", "expected"), [(b"", []), (b"2026-01-01T00:00:00.5Z ", []), (b"x", [b"x"])])
def test_a_line_that_was_being_written_is_left_to_the_next_reading(rest: bytes, expected: list[bytes]) -> None:
    splitter = Splitter()
    whole = b"2026-01-01T00:00:00Z whole"
    assert [*splitter.feed(whole + b"\n" + rest), *splitter.end()] == [whole, *expected]

"""Lines: from the kubelet's bytes to archived records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from icefield_operator.logs.lines import Encoder, newest, timestamp_of

T1 = b"2026-03-01T10:00:00.000000001Z"
T2 = b"2026-03-01T10:00:00.900000002+01:00"


def encode(encoder: Encoder, line: bytes) -> bytes:
    """Return the record of a line."""
    record = encoder.encode((line, False))
    assert record is not None
    return record


def test_a_line_becomes_one_json_object() -> None:
    record = encode(Encoder("load", 2), T1 + b' say "hi" \xff\xc3\xa9')
    assert record.endswith(b"\n")
    assert json.loads(record) == {
        "timestamp": T1.decode(),
        "message": 'say "hi" \ufffdé',
        "task": "load",
        "attempt": 2,
    }


def test_an_empty_line_is_a_line() -> None:
    assert json.loads(encode(Encoder("main", 0), T1 + b" "))["message"] == ""


def test_the_kubelets_own_words_are_not_the_logs() -> None:
    encoder = Encoder("main", 0)
    encode(encoder, T1 + b" a whole line")
    assert encoder.encode((b"failed to create fsnotify watcher: too many open files", False)) is None


def test_a_carriage_return_stays_in_the_line() -> None:
    record = encode(Encoder("main", 0), T1 + b" 10%\r20%")
    assert record.splitlines(keepends=True) == [record]


def test_the_newest_time_need_not_be_the_last() -> None:
    encoder = Encoder("main", 0)
    records = [encode(encoder, line + b" x") for line in (T1, T2)]
    assert timestamp_of(records[1]) == datetime(2026, 3, 1, 9, 0, 0, 900000, tzinfo=UTC)
    assert newest(records) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert newest([]) is None


def test_what_is_no_record_has_no_time() -> None:
    with pytest.raises(ValueError, match="not a line of a log"):
        timestamp_of(b"{}\n")

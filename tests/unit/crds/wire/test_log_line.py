"""Lines of logs and the format of their archive."""

from __future__ import annotations

import gzip
import json

import pytest

from icefield_crds.wire.log_line import LogComplete, LogLine, compress_part, decompress_part, timestamp_of

STAMP = "2026-03-01T10:00:00.000000001Z"
LINES = [LogLine(STAMP, message, "load", 2) for message in ("", 'say "hi" \\', "h\u00e9\u2028\x85\r10%")]
LINES.append(LogLine(STAMP, "the rest", "load", 2, continues=True))


@pytest.mark.parametrize("line", LINES)
def test_line_round_trip(line: LogLine) -> None:
    encoded = line.encode()
    assert LogLine.decode(encoded) == line
    assert timestamp_of(encoded) == STAMP
    assert encoded.splitlines(keepends=True) == [encoded]


def test_line_in_the_archive() -> None:
    expected = f'{{"timestamp":"{STAMP}","message":"h\u00e9 \\"x\\"","task":"main","attempt":0}}\n'
    assert LogLine(STAMP, 'h\u00e9 "x"', "main", 0).encode() == expected.encode()


def test_unknown_fields_of_a_line_are_ignored() -> None:
    fields = {"timestamp": STAMP, "message": "x", "task": "main", "attempt": 0, "stream": "stderr"}
    assert LogLine.decode(json.dumps(fields).encode()) == LogLine(STAMP, "x", "main", 0)


def test_part_round_trip() -> None:
    encoded = [line.encode() for line in LINES]
    part = compress_part(b"".join(encoded))
    assert decompress_part(part) == encoded
    assert part == compress_part(b"".join(encoded))
    assert gzip.decompress(part) == b"".join(encoded)


@pytest.mark.parametrize(
    ("marker", "encoded"),
    [
        (LogComplete(3), b'{"parts": 3}'),
        (LogComplete(0, lost=True), b'{"parts": 0, "lost": true}'),
        (LogComplete(1, start_unknown=True), b'{"parts": 1, "start_unknown": true}'),
    ],
)
def test_marker_round_trip(marker: LogComplete, encoded: bytes) -> None:
    assert marker.encode() == encoded
    assert LogComplete.decode(encoded) == marker


def test_what_is_no_line_has_no_timestamp() -> None:
    with pytest.raises(ValueError, match="not a line of a log"):
        timestamp_of(b"{}\n")


def test_only_a_further_piece_of_a_line_says_so() -> None:
    assert b"continues" not in LogLine(STAMP, "x", "main", 0).encode()
    assert json.loads(LogLine(STAMP, "x", "main", 0, continues=True).encode())["continues"] is True

"""One line of a log, from either place it is read from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from icefield_crds.wire.log_line import GAP_MESSAGE, MISSING_END_MESSAGE, LogLine, encode_gap
from icefield_crds.wire.log_stream import ReadLine, utc


@dataclass(frozen=True, slots=True)
class Entry(LogLine):
    """A line, and the JSON that callers get of it.

    Attributes:
        json: the line as JSON, including fields that are not known here.
    """

    json: bytes


def from_archive(encoded: bytes) -> Entry:
    """Return the entry of an archived line."""
    line = LogLine.decode(encoded)
    return _entry(line, encoded.rstrip(b"\n"))


def from_pod(read: ReadLine, task: str, attempt: int) -> Entry:
    """Return the entry of a line that the kubelet serves."""
    line = LogLine(read.timestamp, read.message, task, attempt, continues=read.continues)
    return _entry(line, line.encode().removesuffix(b"\n"))


def _entry(line: LogLine, json: bytes) -> Entry:
    return Entry(line.timestamp, line.message, line.task, line.attempt, json, continues=line.continues)


def gap_before(entry: Entry) -> Entry:
    """Return the entry that says that lines before this one are missing."""
    return from_archive(encode_gap(entry.timestamp, GAP_MESSAGE, entry.task, entry.attempt))


def missing_end(task: str, attempt: int) -> Entry:
    """Return the entry that says that the end of the log of an attempt (counted from 0) may be missing."""
    now = utc(datetime.now(UTC).isoformat().encode())
    return from_archive(encode_gap(now, MISSING_END_MESSAGE, task, attempt))

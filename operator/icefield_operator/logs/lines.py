"""From the kubelet's stream of bytes to archived lines, and back: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from icefield_crds.object_store import MAX_LOG_MESSAGE_BYTES
from icefield_crds.wire import log_line
from icefield_crds.wire.log_line import LogLine

_TIMESTAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$")


class Splitter:
    """Cuts chunks into lines, however the stream was cut into chunks; the memory it needs is bounded.

    A line longer than `limit` is handed out in pieces: each but the first comes without a timestamp.
    """

    def __init__(self, limit: int = MAX_LOG_MESSAGE_BYTES) -> None:
        """Initialize for the start of a stream."""
        self._rest = b""
        self._limit = limit

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that this chunk completes, without their newlines."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            yield from self._pieces(line)
        # Cut at fixed offsets of the line, not of the chunk: a second reading must give the same pieces.
        while len(self._rest) > self._limit:
            yield self._rest[: self._limit]
            self._rest = self._rest[self._limit :]

    def end(self) -> Iterator[bytes]:
        """Yield what is left when the stream ends: a last line without a newline.

        A timestamp alone is none: the kubelet saw the line while the container runtime was writing it, and tells it
        whole when asked again.
        """
        rest, self._rest = self._rest, b""
        timestamp, _, message = rest.partition(b" ")
        if message or (rest and not _TIMESTAMP.match(timestamp)):
            yield rest

    def _pieces(self, line: bytes) -> Iterator[bytes]:
        if len(line) <= self._limit:
            yield line
            return
        for start in range(0, len(line), self._limit):
            yield line[start : start + self._limit]


class Encoder:
    """Turns lines into the records that are archived: one JSON object and a newline each."""

    def __init__(self, task: str, attempt: int, limit: int = MAX_LOG_MESSAGE_BYTES) -> None:
        """Initialize for the log of one attempt (counted from 0), from the start of a stream cut at this limit."""
        self._limit = limit
        self._was_cut = False
        self._task = task
        self._attempt = attempt
        self._timestamp: bytes | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a line with a timestamp has come: what has none from now on is a piece, or not the log's."""
        return self._timestamp is not None

    def encode(self, line: bytes) -> bytes | None:
        """Return the record of a line that begins with a timestamp and a space, or of a further piece of such a line.

        None for anything else: the rest of a line that is archived already, or the kubelet's own words, which it puts
        among the log's when it cannot go on.
        """
        timestamp, _, message = line.partition(b" ")
        continues, self._was_cut = self._was_cut, len(line) == self._limit
        if _TIMESTAMP.match(timestamp):
            self._timestamp = timestamp
        elif self._timestamp is None or not continues:
            return None
        else:
            timestamp, message = self._timestamp, line
        return LogLine(timestamp.decode(), message.decode("utf-8", "replace"), self._task, self._attempt).encode()


def timestamp_of(record: bytes) -> datetime:
    """Return the time of a record that `Encoder` made (microseconds; the rest is cut off).

    Raises:
        ValueError: it is no such record.
    """
    return datetime.fromisoformat(log_line.timestamp_of(record))


def newest(records: Iterable[bytes]) -> datetime | None:
    """Return the latest time among the records; stdout and stderr are merged late, so it need not be the last one's."""
    return max((timestamp_of(record) for record in records), default=None)

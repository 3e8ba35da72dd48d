"""The stream that the kubelet serves as a container's log with timestamps: `<timestamp> <message>\n` for each line.

The operator and the API server read it, and log agents produce it from the files that it is made of. All must cut long
lines alike and write timestamps alike, or the same line would look like two.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from icefield_crds.object_store import MAX_LOG_MESSAGE_BYTES

TIMESTAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$")
_UTC_LENGTH = len("2026-03-01T10:00:00.000000000Z")

Piece = tuple[bytes, bool]
"""A line without its newline, or a piece of a long one; and whether it continues the piece before it."""


class ReadLine(NamedTuple):
    """A line, or a piece of a long one."""

    timestamp: str
    """As `utc` has it; a piece has that of its line."""
    message: str
    continues: bool
    """Whether it continues the piece before it."""


class Splitter:
    """Cuts chunks into lines, however the stream was cut into chunks; the memory it needs is bounded.

    A line longer than `limit` bytes comes in pieces of that size, or up to three bytes less: no character is cut.
    """

    def __init__(self, limit: int = MAX_LOG_MESSAGE_BYTES) -> None:
        """Initialize for the start of a stream."""
        self._rest = b""
        self._limit = limit
        self._continues = False

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Yield the lines that this chunk completes."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if len(line) > self._limit:
                line = yield from self._cut(line)
            yield line, self._continues
            self._continues = False
        # Cut at offsets of the line, not of the chunk: a second reading must give the same pieces.
        if len(self._rest) > self._limit:
            self._rest = yield from self._cut(self._rest)

    def end(self) -> Iterator[Piece]:
        """Yield what is left when the stream has ended for good: a last line without a newline.

        A timestamp alone is none: the container runtime had not written the line yet.
        """
        rest, self._rest = self._rest, b""
        timestamp, _, message = rest.partition(b" ")
        if message or (rest and not TIMESTAMP.match(timestamp)):
            yield rest, self._continues
        self._continues = False

    def _cut(self, line: bytes) -> Generator[Piece, None, bytes]:
        """Yield all pieces but the last, and return that."""
        while len(line) > self._limit:
            end = _border(line, self._limit)
            yield line[:end], self._continues
            self._continues = True
            line = line[end:]
        return line


class LineReader:
    """Reads the pieces of a stream from its start."""

    def __init__(self) -> None:
        """Initialize for the start of a stream."""
        self._timestamp: str | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a line with a timestamp has come: what has none from now on is not the log's."""
        return self._timestamp is not None

    def read(self, piece: Piece) -> ReadLine | None:
        """Return a line, or a further piece of it.

        None for anything else, such as the kubelet's own words, which it puts among the log's when it cannot go on.
        """
        text, continues = piece
        timestamp, _, message = text.partition(b" ")
        if continues:
            if self._timestamp is None:
                return None
            message = text
        elif TIMESTAMP.match(timestamp):
            self._timestamp = utc(timestamp)
        else:
            return None
        return ReadLine(self._timestamp, message.decode("utf-8", "replace"), continues)


def utc(timestamp: bytes) -> str:
    """Return an RFC 3339 timestamp in UTC with nine digits of a second; container runtimes write their local time.

    Raises:
        ValueError: it is none.
    """
    if len(timestamp) == _UTC_LENGTH and timestamp.endswith(b"Z"):
        return timestamp.decode()
    text = timestamp.decode()
    seconds, rest = text[:19], text[19:]
    digits = len(rest) - len(rest.lstrip(".0123456789"))
    fraction, zone = rest[:digits].lstrip("."), rest[digits:]
    moment = datetime.fromisoformat(seconds + zone).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:0<9}Z"


def _border(text: bytes, limit: int) -> int:
    """Return the last border between two characters at or before `limit`; bytes that are no UTF-8 are cut there."""
    return next((end for end in range(limit, limit - 4, -1) if text[end] & 0xC0 != 0x80), limit)

"""From the pieces of a log's stream to archived lines, and back: pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from icefield_crds.wire import log_line
from icefield_crds.wire.log_line import LogLine
from icefield_crds.wire.log_stream import LineReader, Piece


class Encoder:
    """Turns pieces into the records that are archived: one JSON object and a newline each."""

    def __init__(self, task: str, attempt: int) -> None:
        """Initialize for the log of one attempt (counted from 0), from the start of a stream."""
        self._reader = LineReader()
        self._task = task
        self._attempt = attempt

    @property
    def has_begun(self) -> bool:
        """Whether a line with a timestamp has come: what has none from now on is not the log's."""
        return self._reader.has_begun

    def encode(self, piece: Piece) -> bytes | None:
        """Return the record of a line that begins with a timestamp and a space, or of a further piece of such a line.

        None for anything else.
        """
        line = self._reader.read(piece)
        if line is None:
            return None
        return LogLine(line.timestamp, line.message, self._task, self._attempt, continues=line.continues).encode()


def timestamp_of(record: bytes) -> datetime:
    """Return the time of a record that `Encoder` made (microseconds; the rest is cut off).

    Raises:
        ValueError: it is no such record.
    """
    return datetime.fromisoformat(log_line.timestamp_of(record))


def newest(records: Iterable[bytes]) -> datetime | None:
    """Return the latest time among the records; stdout and stderr are merged late, so it need not be the last one's."""
    return max((timestamp_of(record) for record in records), default=None)

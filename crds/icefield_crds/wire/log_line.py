"""Lines of logs, and the format of the archive that operator and log agents write and the API server reads.

A part of an archived log is gzip of lines, each a JSON object and a newline. Where lines are missing, a line with the
field `gap` says so; of a line that comes in pieces, all but the first have the field `continues`. The marker that no
more parts follow is a JSON object, too. Keys: `icefield_crds.object_store`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quote
from typing import Any

from .fields import as_object, boolean, integer

COMPRESSION_LEVEL = 6
GAP_MESSAGE = "[icefield] Lines are missing here: the node had removed them before they could be read."
MISSING_END_MESSAGE = "[icefield] The end of this log may be missing: it was removed before it could be read."
_CONTINUES = ',"continues":true'
_HEAD = b'{"timestamp":"'
_GAP_END = b',"gap":true}\n'


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        timestamp: RFC 3339 in UTC with nine digits of a second (`log_stream.utc`); such strings sort by time.
        message: the line without its newline.
        task: key of the task.
        attempt: number of the attempt, from 0.
        continues: whether it is a further piece of the line before it, which was too long for one.
    """

    timestamp: str
    message: str
    task: str
    attempt: int
    continues: bool = field(default=False, kw_only=True)

    def encode(self) -> bytes:
        """Return the line as a JSON object and a newline. Equal lines give equal bytes."""
        # Written by hand, as a busy task writes many lines and encoding a dictionary takes twice as long.
        encoded = (
            f'{{"timestamp":{_quote(self.timestamp)},"message":{_quote(self.message)},'
            f'"task":{_quote(self.task)},"attempt":{self.attempt}{_CONTINUES if self.continues else ""}}}\n'
        )
        return encoded.encode("utf-8", "replace")

    @classmethod
    def decode(cls, encoded: bytes) -> LogLine:
        """Return the line in a JSON object, with or without the newline.

        Raises:
            ValueError, KeyError: it is no line of a log.
        """
        fields: dict[str, Any] = json.loads(encoded)
        continues = fields.get("continues") is True
        return cls(fields["timestamp"], fields["message"], fields["task"], fields["attempt"], continues=continues)


def encode_gap(timestamp: str, message: str, task: str, attempt: int) -> bytes:
    """Return the line that says of a log that lines are missing, as a JSON object and a newline.

    Args:
        timestamp: of the first line that is there again, or of the last one that is there.
        message: GAP_MESSAGE or MISSING_END_MESSAGE.
        task: key of the task.
        attempt: number of the attempt, from 0.
    """
    return LogLine(timestamp, message, task, attempt).encode()[:-2] + _GAP_END


def is_gap(encoded: bytes) -> bool:
    """Return whether an encoded line was made by `encode_gap`: no task can print one, its message is quoted."""
    return encoded.endswith(_GAP_END)


def timestamp_of(encoded: bytes) -> str:
    """Return the timestamp of an encoded line, without decoding the rest.

    Raises:
        ValueError: it is no line of a log.
    """
    if not encoded.startswith(_HEAD):
        raise ValueError("not a line of a log")
    return encoded[len(_HEAD) : encoded.index(b'"', len(_HEAD))].decode()


def compress_part(lines: bytes) -> bytes:
    """Return a part of an archived log: encoded lines, compressed. Equal lines give equal bytes."""
    return gzip.compress(lines, COMPRESSION_LEVEL, mtime=0)


def decompress_part(part: bytes) -> list[bytes]:
    """Return the encoded lines of a part, each with its newline.

    Raises:
        OSError: it is no gzip.
    """
    return gzip.decompress(part).splitlines(keepends=True)


@dataclass(frozen=True)
class LogComplete:
    """The marker that no more parts of a log will be written.

    Attributes:
        parts: how many there are.
        lost: whether lines are missing.
        start_unknown: whether it is not known if its first lines are.
    """

    parts: int
    lost: bool = False
    start_unknown: bool = False

    def encode(self) -> bytes:
        """Return the marker's content."""
        marks = {"lost": self.lost, "start_unknown": self.start_unknown}
        return json.dumps({"parts": self.parts} | {name: True for name, is_set in marks.items() if is_set}).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> LogComplete:
        """Return the marker with this content.

        Raises:
            ValueError: it is no marker.
        """
        fields = as_object(json.loads(encoded), "the marker")
        return cls(integer(fields, "parts"), boolean(fields, "lost"), boolean(fields, "start_unknown"))

"""Lines of logs, and the format of the archive that the operator writes and the API server reads.

A part of an archived log is gzip of lines, each a JSON object and a newline. The marker that a log is complete is a
JSON object, too. Keys of both: `icefield_crds.object_store`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from json.encoder import encode_basestring as _quote
from typing import Any

from .fields import as_object, boolean, integer

COMPRESSION_LEVEL = 6
_HEAD = b'{"timestamp":"'


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        timestamp: RFC 3339 with nine digits of a second, as the kubelet writes it; such strings sort by time.
        message: the line without its newline.
        task: key of the task.
        attempt: number of the attempt, from 0.
    """

    timestamp: str
    message: str
    task: str
    attempt: int

    def encode(self) -> bytes:
        """Return the line as a JSON object and a newline. Equal lines give equal bytes."""
        # Written by hand, as a busy task writes many lines and encoding a dictionary takes twice as long.
        encoded = (
            f'{{"timestamp":{_quote(self.timestamp)},"message":{_quote(self.message)},'
            f'"task":{_quote(self.task)},"attempt":{self.attempt}}}\n'
        )
        return encoded.encode("utf-8", "replace")

    @classmethod
    def decode(cls, encoded: bytes) -> LogLine:
        """Return the line in a JSON object, with or without the newline.

        Raises:
            ValueError, KeyError: it is no line of a log.
        """
        fields: dict[str, Any] = json.loads(encoded)
        return cls(fields["timestamp"], fields["message"], fields["task"], fields["attempt"])


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
        lost: whether the rest of the log could not be read.
    """

    parts: int
    lost: bool = False

    def encode(self) -> bytes:
        """Return the marker's content."""
        return json.dumps({"parts": self.parts, "lost": True} if self.lost else {"parts": self.parts}).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> LogComplete:
        """Return the marker with this content.

        Raises:
            ValueError: it is no marker.
        """
        fields = as_object(json.loads(encoded), "the marker")
        return cls(integer(fields, "parts"), boolean(fields, "lost"))

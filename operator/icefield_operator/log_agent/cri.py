"""From the log files of the container runtime to the stream that the kubelet makes of them: pure.

Each line of a file is `<timestamp> <stdout or stderr> <tags> <text>`; the tag P marks one that goes on in the next
(https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).
"""

from __future__ import annotations

from datetime import datetime

from icefield_crds.wire.log_stream import TIMESTAMP, utc

MAX_LINE_BYTES = 1024 * 1024
"""Far more than runtimes write in one line; what is longer is no line."""


class CriDecoder:
    """Joins what the runtime has cut and leaves out its columns, over all files of a log."""

    def __init__(self) -> None:
        """Initialize for the start of a log, or of one of its files."""
        self._rest = b""
        self._open: bytes | None = None
        """The stream whose line goes on."""
        self._timestamp = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what this chunk completes, as the kubelet serves it."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        served: list[bytes] = []
        for line in lines:
            self._serve(line, served)
        return b"".join(served)

    def end_file(self) -> bytes:
        """Return the last line of a file if the runtime died while it wrote it."""
        return self.feed(b"\n") if self._rest else b""

    def cut(self) -> bytes:
        """Return the end of the last line before missing ones; nothing where it has ended."""
        served = self.end_file()
        if self._open is not None:
            served, self._open = served + b"\n", None
        return served

    def _serve(self, line: bytes, served: list[bytes]) -> None:
        columns = line.split(b" ", 3)
        if len(columns) == 4 and TIMESTAMP.match(columns[0]):
            timestamp, stream, tags, text = columns
            self._timestamp = timestamp
        elif self._timestamp and line.strip(b"\0"):
            # A node that lost power leaves such lines. They are kept.
            timestamp, stream, tags, text = self._timestamp, b"", b"F", line
        else:
            return
        if self._open == stream:
            served.append(text)
        else:
            if self._open is not None:
                served.append(b"\n")
            served += timestamp, b" ", text
        if tags.startswith(b"P"):
            self._open = stream
        else:
            served.append(b"\n")
            self._open = None


def time_of(head: bytes) -> datetime | None:
    """Return the time of the line that these bytes begin with; None when there is none."""
    timestamp, space, _ = head.partition(b" ")
    return datetime.fromisoformat(utc(timestamp)) if space and TIMESTAMP.match(timestamp) else None

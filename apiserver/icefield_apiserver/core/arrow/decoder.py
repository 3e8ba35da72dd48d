"""`python -m icefield_apiserver.core.arrow.decoder`: converts the first rows of an Arrow IPC stream into JSON.

It runs as a process of its own because its input is untrusted: a malicious stream, one that decompresses to more than
the available memory, or one that never ends, affects only this process. Its memory is limited, and its environment has
no credentials.

Input and output are frames: a length of four bytes (big endian), followed by that many bytes.

    in   {"rows": max rows, "bytes": max bytes of their JSON}, then the stream in any pieces, then an empty frame
    out  {"columns", "column_types", "count", "is_last", "error"}, then the rows as the inside of a JSON list
"""

from __future__ import annotations

import resource
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa

from .cells import json_of, rows_of

LENGTH = struct.Struct(">I")
TYPE_KEY = b"polars.dtype"
"""Key of the Polars type in a field's metadata."""
MAX_DATA_BYTES = 448 * 1024 * 1024
"""A third of it is used before the first stream; much of the rest is never touched."""
MAX_READ_BYTES = 96 * 1024 * 1024
LARGE_BYTES = 160 * 1024 * 1024
"""A process that holds more memory than this after a stream exits."""
PART_BYTES = 8 * 1024 * 1024
"""Maximum Arrow memory of several rows that are converted at once."""
FIRST_STEP = 64
MAX_STEP = 8192


class LimitReachedError(Exception):
    """A limit on input or output is reached."""


class FrameReader:
    """The frames of one stream as a file, up to the empty frame.

    Args:
        source: the frames.
        budget: maximum number of bytes to read.
    """

    closed = False

    def __init__(self, source: BinaryIO, budget: int) -> None:
        self._source = source
        self._budget = budget
        self._piece = memoryview(b"")
        self._is_over = False

    def read(self, size: int = -1) -> bytearray:
        """Return the next bytes, fewer at the end.

        Raises:
            LimitReachedError: the budget is exceeded.
        """
        if not 0 <= size <= self._budget:
            raise LimitReachedError
        self._budget -= size
        content = bytearray(size)
        filled = 0
        while filled < size and (self._piece or self._next()):
            taken = self._piece[: size - filled]
            content[filled : filled + len(taken)] = taken
            filled += len(taken)
            self._piece = self._piece[len(taken) :]
        del content[filled:]
        return content

    def drain(self) -> None:
        """Read and discard the rest."""
        while self._next():
            pass

    def close(self) -> None:
        """Do nothing: another stream follows."""

    def _next(self) -> bool:
        if not self._is_over:
            self._piece = memoryview(read_frame(self._source))
            self._is_over = not self._piece
        return not self._is_over


def first_rows(source: FrameReader, limit: int, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Return the description of a stream, and its first rows as the inside of a JSON list.

    Args:
        source: the stream.
        limit: maximum number of rows.
        max_bytes: maximum size of the JSON.

    Raises:
        pyarrow.ArrowException: the stream is invalid.
    """
    pieces: list[bytes] = []
    count = room = 0
    try:
        reader = pa.ipc.open_stream(source)
        head = {
            "columns": [field.name for field in reader.schema],
            "column_types": [_type_of(field) for field in reader.schema],
        }
    except LimitReachedError:
        return {"error": "its schema is too long"}, b""
    room = max_bytes
    try:
        while count < limit:
            batch = reader.read_next_batch()
            batch.validate(full=True)
            for rows, piece in _pieces(batch.slice(0, limit - count), room):
                pieces.append(piece)
                count += rows
                room -= len(piece) + 1
    except (StopIteration, LimitReachedError):
        pass
    return {**head, "count": count}, b",".join(pieces)


def _pieces(batch: pa.RecordBatch, room: int) -> Any:
    """Yield (number of rows, their JSON) of a batch.

    Raises:
        LimitReachedError: the JSON is larger than the room.
    """
    start, step = 0, FIRST_STEP
    while start < batch.num_rows:
        part = batch.slice(start, step)
        is_small = part.nbytes <= (PART_BYTES if step > 1 else room)
        piece = json_of(rows_of(part)) if is_small else b""
        if is_small and len(piece) <= room:
            room -= len(piece) + 1
            yield part.num_rows, piece
            start += part.num_rows
            step = min(2 * step, MAX_STEP)
        elif step > 1:
            step = max(1, step // 8)
        else:
            raise LimitReachedError


def _type_of(field: pa.Field) -> str:
    polars_type = (field.metadata or {}).get(TYPE_KEY)
    return polars_type.decode(errors="replace") if polars_type else str(field.type)


def read_frame(source: BinaryIO) -> bytes:
    """Return the next frame.

    Raises:
        EOFError: the input ends.
    """
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return source.read(LENGTH.unpack(head)[0])


def frame(content: bytes) -> bytes:
    """Return a frame."""
    return LENGTH.pack(len(content)) + content


def _answer(order: dict[str, int], source: FrameReader) -> tuple[dict[str, Any], bytes]:
    try:
        return first_rows(source, order["rows"], order["bytes"])
    except MemoryError:
        return {"error": "it decompresses to more than the available memory"}, b""
    except (pa.ArrowException, ValueError, TypeError, KeyError, OverflowError) as error:
        return {"error": f"it is not an Arrow stream as sandboxes write it ({type(error).__name__})"}, b""


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def main() -> None:
    """Convert one stream after the other, until the input ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    while True:
        try:
            order = orjson.loads(read_frame(sys.stdin.buffer))
        except EOFError:
            return
        source = FrameReader(sys.stdin.buffer, MAX_READ_BYTES)
        head, rows = _answer(order, source)
        head["is_last"] = "error" in head or _resident_bytes() > LARGE_BYTES
        sys.stdout.buffer.write(frame(orjson.dumps(head)) + frame(rows))
        sys.stdout.buffer.flush()
        if head["is_last"]:
            return
        source.drain()


if __name__ == "__main__":
    main()

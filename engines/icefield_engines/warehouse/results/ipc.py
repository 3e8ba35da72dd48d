"""One Arrow IPC stream, made batch by batch, with an index of its batches.

A stream is the schema's message, the batches' messages, and an end mark (Arrow columnar format, "IPC Streaming
Format"). As nothing is dictionary-encoded, a reader can take the schema's message and any run of batches by their
offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from icefield_crds.wire.gateway import ResultIndex

BATCH_ROWS = 65_536
"""No batch of a result is longer."""
PART_BYTES = 8 * 1024 * 1024
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class ResultStream:
    """Makes the stream; full parts are shipped, so that at most a part and a batch are held."""

    def __init__(
        self,
        ship: Callable[[bytes], None] | None,
        *,
        row_limit: int | None = None,
        inline_rows: int = 0,
        inline_bytes: int = 0,
    ) -> None:
        """Start empty.

        Args:
            ship: takes each full part of the stream; None when the stream is not kept.
            row_limit: how many rows are kept; the rest is cut.
            inline_rows: how many of the first rows are kept for the answer.
            inline_bytes: how much of the first rows is kept at most.
        """
        self.rows = 0
        self.size = 0
        self._schema_bytes = 0
        self._batches: list[tuple[int, int, int]] = []
        self.schema: pa.Schema | None = None
        self.is_truncated = False
        self._ship = ship
        self._row_limit = row_limit
        self._held: list[bytes | pa.Buffer] = []
        self._held_bytes = 0
        self._inline: list[pa.Buffer] = []
        self._inline_left = inline_rows
        self._inline_bytes_left = inline_bytes

    def start(self, schema: pa.Schema) -> None:
        """Write the schema."""
        self.schema = schema
        message = schema.serialize()
        self._schema_bytes = message.size
        self._write(message)

    def add(self, batch: pa.RecordBatch) -> bool:
        """Write a batch, in pieces when it is long; return whether more is needed."""
        if self._row_limit is not None and self.rows + batch.num_rows > self._row_limit:
            batch = batch.slice(0, self._row_limit - self.rows)
            self.is_truncated = True
        for piece in _pieces(batch):
            message = piece.serialize()
            self._keep_inline(piece, message)
            self._batches.append((piece.num_rows, self.size, message.size))
            self.rows += piece.num_rows
            self._write(message)
        return not self.is_truncated

    def end(self) -> bytes:
        """Return what was not shipped, the end mark included."""
        self._write(END, ship=False)
        return self._take()

    def index(self, key: str) -> ResultIndex:
        """Return where the batches are in the finished stream, stored under this key."""
        return ResultIndex(key, self.size, self._schema_bytes, tuple(self._batches))

    def inline(self) -> bytes | None:
        """Return the first rows as a stream of their own; None before there is a schema."""
        if self.schema is None:
            return None
        return b"".join([self.schema.serialize(), *self._inline, END])

    def _keep_inline(self, batch: pa.RecordBatch, message: pa.Buffer) -> None:
        if self._inline_left <= 0:
            return
        if batch.num_rows > self._inline_left:
            batch = batch.slice(0, self._inline_left)
            message = batch.serialize()
        while message.size > self._inline_bytes_left and batch.num_rows > 1:
            batch = batch.slice(0, batch.num_rows // 2)
            message = batch.serialize()
            self._inline_left = 0  # what comes next would not follow on these rows
        if message.size > self._inline_bytes_left:
            self._inline_left = 0
            return
        self._inline.append(message)
        self._inline_left -= batch.num_rows
        self._inline_bytes_left -= message.size

    def _write(self, message: bytes | pa.Buffer, *, ship: bool = True) -> None:
        self.size += len(message)
        if self._ship is None:
            return
        self._held.append(message)
        self._held_bytes += len(message)
        if ship and self._held_bytes >= PART_BYTES:
            self._ship(self._take())

    def _take(self) -> bytes:
        part = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return part


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in pieces that are not too long; nothing of an empty one."""
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch if batch.num_rows <= BATCH_ROWS else batch.slice(start, BATCH_ROWS)

"""Messages between the gateway and DuckDB's process: a kind, a length, and as many bytes.

A statement is one QUERY (its SQL), after the LITERALS that it reads, if any (an Arrow IPC stream), and an EXPORT or
DATA_FILES, if its rows go to a file or to files of a table (JSON). The answer is RUNNING before anything is done with
it, then a SCHEMA, BATCHES as they are read and an END, schema and batches as Arrow IPC messages; or a FAILURE (code and
message, as JSON) wherever it fails. Where the query says so, BAD_ROWS come before the END: the rows that could not be
read, as JSON lines. INTERRUPT may be sent at any time, and is ignored when nothing runs.
"""

from __future__ import annotations

import socket
import struct
from enum import Enum
from typing import NamedTuple

import pyarrow as pa

READY = b"+"
"""What DuckDB's process says on the socket that it is started with, once its database is open."""
_HEADER = struct.Struct("!cQ")
_JOINED_BYTES = 64 * 1024
"""A shorter message is copied behind its header: one call is sooner than two."""


class Kind(Enum):
    """What a message is."""

    LITERALS = b"L"
    QUERY = b"Q"
    EXPORT = b"X"
    DATA_FILES = b"D"
    INTERRUPT = b"I"
    RUNNING = b"R"
    SCHEMA = b"S"
    BATCH = b"B"
    BAD_ROWS = b"J"
    END = b"E"
    FAILURE = b"F"


class Frame(NamedTuple):
    """A message."""

    kind: Kind
    content: pa.Buffer


class PeerGoneError(Exception):
    """The other process ended, or closed the connection."""


def send(connection: socket.socket, kind: Kind, content: bytes | pa.Buffer = b"") -> None:
    """Send a message.

    Raises:
        PeerGoneError: nobody receives it.
    """
    header = _HEADER.pack(kind.value, len(content))
    try:
        if len(content) <= _JOINED_BYTES:
            connection.sendall(header + bytes(content))
        else:
            connection.sendall(header)
            connection.sendall(content)
    except OSError as error:
        raise PeerGoneError from error


def receive(connection: socket.socket) -> Frame:
    """Return the next message; wait for it.

    Raises:
        PeerGoneError: none comes any more.
    """
    kind, length = _HEADER.unpack(_read(connection, _HEADER.size))
    return Frame(Kind(kind), _read(connection, length))


def _read(connection: socket.socket, length: int) -> pa.Buffer:
    content = pa.allocate_buffer(length)
    view, done = memoryview(content), 0
    while done < length:
        try:
            count = connection.recv_into(view[done:])
        except OSError as error:
            raise PeerGoneError from error
        if count == 0:
            raise PeerGoneError
        done += count
    return content

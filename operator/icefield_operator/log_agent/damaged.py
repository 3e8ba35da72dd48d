"""Reads what a damaged gzip file still holds: a node that lost power leaves such files."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from typing import BinaryIO

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged gzip file raises."""
_BLOCK_BYTES = 4096
_GZIP = zlib.MAX_WBITS | 16


def read_to_damage(file: BinaryIO, skipped: int) -> bytes:
    """Return what can be decompressed of a damaged file, to the last byte; the file is left at its end.

    Args:
        file: the compressed file.
        skipped: how many bytes to leave out at the start, uncompressed.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    decompressor = zlib.decompressobj(_GZIP)
    found = bytearray()
    with suppress(zlib.error):
        while not decompressor.eof and (block := file.read(_BLOCK_BYTES)):
            before = decompressor.copy()
            try:
                found += decompressor.decompress(block)
            except zlib.error:
                # What a failing call had decompressed is lost with it, so calls must be as small as can be.
                for byte in block:
                    found += before.decompress(bytes((byte,)))
            beyond = max(len(found) - skipped, 0)
            skipped -= len(found) - beyond
            del found[: len(found) - beyond]
    file.seek(0, 2)
    return bytes(found[skipped:])

"""A server whose responses arrive in several TCP segments, as a network may deliver any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BETWEEN_PIECES = 0.02
"""Seconds: long enough for the client's event loop to read the first piece before the next is sent."""


@asynccontextmanager
async def serve_in_pieces(*pieces: bytes, status: int = 200, has_length: bool = True) -> AsyncIterator[str]:
    """Answer every request with a body in these pieces; yield the base URL.

    Args:
        pieces: each is a segment of its own, with a pause before the next.
        status: HTTP status.
        has_length: whether the response says how long the body is; otherwise it ends with the connection.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = f"Content-Length: {sum(map(len, pieces))}\r\n" if has_length else ""
        writer.write(f"HTTP/1.1 {status} Status\r\nConnection: close\r\n{length}\r\n".encode())
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(BETWEEN_PIECES)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

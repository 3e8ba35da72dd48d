"""A TCP proxy that loses the answer to one request, as a network or a server that ends may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.tcp_server import listening

CHUNK = 64 * 1024


class BreakingProxy:
    """Forwards connections to a port of the loopback device.

    Args:
        port: where to.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._marker: bytes | None = None
        self._stays_away = False
        self._is_broken = False
        self._connections: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.lost_answers = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BreakingProxy]:
        """Forward for as long as the context lasts."""
        try:
            async with listening(self._accept) as self.port:
                yield self
        finally:
            self._drop_all()

    def lose_answer_to(self, marker: bytes, *, stays_away: bool) -> None:
        """Break all connections once the answer to the next request with this text has come from the other side.

        Args:
            marker: part of the request.
            stays_away: whether new connections are refused afterwards.
        """
        self._marker, self._stays_away = marker, stays_away

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_broken:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._connections |= {writer, there_writer}
        is_marked = asyncio.Event()
        await asyncio.gather(self._send(reader, there_writer, is_marked), self._answer(there_reader, writer, is_marked))

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_marked: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self._marker and self._marker in data:
                    self._marker = None
                    is_marked.set()
                writer.write(data)
        writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_marked: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if is_marked.is_set():
                    self.lost_answers += 1
                    self._is_broken = self._stays_away
                    self._drop_all()
                    return
                writer.write(data)
        writer.close()

    def _drop_all(self) -> None:
        for writer in self._connections:
            writer.transport.abort()
        self._connections.clear()

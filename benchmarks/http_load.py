"""GETs over a few connections that are used again, as fast as a server answers; cheap enough not to be the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"


@dataclass
class Load:
    """What came of a series of GETs.

    Attributes:
        milliseconds: how long each took.
        seconds: how long all of them took together.
        body_bytes: length of their bodies.
    """

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    body_bytes: int = 0


async def get_all(url: str, headers: Mapping[str, str], paths: list[str], connections: int) -> Load:
    """GET every path once; each must be answered with 200.

    Args:
        url: base URL of the server.
        headers: of every request.
        paths: what to GET.
        connections: how many requests are under way at once.
    """
    parts, load, rest = urlsplit(url), Load(), iter(paths)
    fields = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
    started = time.perf_counter()
    await asyncio.gather(
        *(_get(parts.hostname or "", parts.port or 80, fields, rest, load) for _ in range(connections))
    )
    load.seconds = time.perf_counter() - started
    return load


async def _get(host: str, port: int, fields: str, paths: Iterator[str], load: Load) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for path in paths:
            sent = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
            head = await reader.readuntil(_END_OF_HEAD)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"GET {path}: {head.splitlines()[0].decode()}")
            body = await reader.readexactly(_length(head))
            load.milliseconds.append((time.perf_counter() - sent) * 1000)
            load.body_bytes += len(body)
    finally:
        writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().splitlines():
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise RuntimeError("a response without a length")

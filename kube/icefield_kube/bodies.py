"""Bodies of HTTP responses, read up to a limit.

A body arrives in as many pieces as the network makes of it, and `StreamReader.read(n)` of aiohttp returns the next
piece, not n bytes. What is to be read whole is therefore read here.
"""

from __future__ import annotations

import aiohttp


class BodyTooLongError(ValueError):
    """A body is longer than its reader allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit} bytes")
        self.limit = limit


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the whole body of a response.

    Args:
        response: the response.
        limit: how many bytes the body may have.

    Raises:
        BodyTooLongError: it has more.
        aiohttp.ClientError, TimeoutError, OSError: the connection broke.
    """
    body = await read_start(response, limit + 1)
    if len(body) > limit:
        raise BodyTooLongError(limit)
    return body


async def read_start(response: aiohttp.ClientResponse, size: int) -> bytes:
    """Return the first `size` bytes of a response's body; all of one that is shorter.

    Raises:
        aiohttp.ClientError, TimeoutError, OSError: the connection broke.
    """
    pieces, missing = [], size
    while missing and (piece := await response.content.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)

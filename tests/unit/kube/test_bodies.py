"""Bodies of responses, in however many pieces they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tests.pieces import serve_in_pieces

from icefield_kube.bodies import BodyTooLongError, read_body, read_start


@asynccontextmanager
async def response_in(*pieces: bytes, has_length: bool = True) -> AsyncIterator[aiohttp.ClientResponse]:
    """Request a body in these pieces."""
    async with (
        serve_in_pieces(*pieces, has_length=has_length) as url,
        aiohttp.ClientSession() as session,
        session.get(url) as response,
    ):
        yield response


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("pieces", [(b"",), (b"abc", b"def"), (b"a", b"bcde", b"f")])
async def test_a_body_is_read_whole(pieces: tuple[bytes, ...], has_length: bool) -> None:
    async with response_in(*pieces, has_length=has_length) as response:
        assert await read_body(response, 6) == b"".join(pieces)


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_longer_body_is_refused(has_length: bool) -> None:
    async with response_in(b"abc", b"def", has_length=has_length) as response:
        with pytest.raises(BodyTooLongError, match="longer than 5 bytes"):
            await read_body(response, 5)


async def test_the_start_of_a_body() -> None:
    async with response_in(b"abc", b"def") as response:
        assert await read_start(response, 5) == b"abcde"

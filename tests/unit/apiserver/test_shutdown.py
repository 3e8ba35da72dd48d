"""SIGTERM drains first; a second signal and SIGINT close at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from tests.eventually import eventually

from icefield_apiserver.core.shutdown import SIGNALS, Shutdown

LONG = 600.0


@pytest.fixture
def server() -> Iterator[list[int]]:
    """The signals that reached the handler which was installed before: the server's."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in SIGNALS}
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


async def until_draining(shutdown: Shutdown) -> None:
    await eventually(lambda: asyncio.sleep(0, shutdown.is_draining))


async def test_the_server_learns_of_the_signal_when_the_draining_ends(server: list[int]) -> None:
    shutdown = Shutdown()
    with shutdown.at_signal(1.0) as closing:
        os.kill(os.getpid(), signal.SIGTERM)
        await until_draining(shutdown)
        assert not closing.is_set()
        assert server == []
        await asyncio.wait_for(closing.wait(), 5)
        assert server == [signal.SIGTERM]


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_who_insists_does_not_wait(server: list[int], first: signal.Signals) -> None:
    shutdown = Shutdown()
    with shutdown.at_signal(LONG) as closing:
        os.kill(os.getpid(), first)
        await until_draining(shutdown)
        if first == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(closing.wait(), 5)
        assert server == [first]


async def test_an_application_that_starts_again_does_not_close() -> None:
    shutdown = Shutdown()
    with shutdown.at_signal(LONG) as closing:
        closing.set()
    with shutdown.at_signal(LONG) as closing:
        assert not closing.is_set()

"""Hears that the process is told to stop before the server's shutdown gets to the application.

uvicorn waits for requests that are being answered, and only then ends the lifespan; a request that itself waits, for a
statement to end, has to hear of it at the signal.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """Give an event that is set when SIGTERM or SIGINT comes; what else handles them does so as before."""
    event = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(event.set)
        before = handlers[signal.Signals(number)]
        if callable(before):
            before(number, frame)

    installed = [number for number, before in handlers.items() if callable(before)]
    for number in installed:
        signal.signal(number, handle)
    try:
        yield event
    finally:
        for number in installed:
            signal.signal(number, handlers[number])

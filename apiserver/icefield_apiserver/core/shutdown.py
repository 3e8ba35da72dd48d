"""Notifies the application of SIGTERM and SIGINT before the server's shutdown reaches it.

uvicorn waits for running requests before it ends the lifespan; a request that waits for a statement has to return at
the signal.
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
def shutdown_event() -> Iterator[asyncio.Event]:
    """Yield an event that is set on SIGTERM or SIGINT; the previous handlers are called as well."""
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

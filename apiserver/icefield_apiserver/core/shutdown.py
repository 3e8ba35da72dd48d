"""The end of the process in three steps: drain, close, stop.

Kubernetes sends SIGTERM while Services and load balancers still send requests here. So the server first goes on for
some seconds, answering as ever, but each response ends its connection: the client's next one leads to another replica.
Then the application learns that it closes: a request that waits for a statement has to return, because uvicorn, whose
own handler comes last, waits for running requests before it ends the lifespan.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """How far the process is on its way to its end."""

    def __init__(self) -> None:
        self.is_draining = False
        self.closing = asyncio.Event()

    @contextmanager
    def at_signal(self, drain_seconds: float) -> Iterator[asyncio.Event]:
        """Begin at SIGTERM or SIGINT; yield the event that is set when the application closes.

        The handlers that were installed before are called then. A second signal, or SIGINT, does not wait.

        Args:
            drain_seconds: how long requests are served after SIGTERM as before.
        """
        self.is_draining, self.closing = False, asyncio.Event()  # an application may be started again
        if threading.current_thread() is not threading.main_thread():
            yield self.closing
            return
        loop = asyncio.get_running_loop()
        handlers = {number: signal.getsignal(number) for number in SIGNALS}

        def close(number: int, frame: FrameType | None) -> None:
            self.closing.set()
            before = handlers[signal.Signals(number)]
            if callable(before):
                before(number, frame)

        def begin(number: int, frame: FrameType | None) -> None:
            waits = number == signal.SIGTERM and not self.is_draining
            self.is_draining = True
            loop.call_later(drain_seconds if waits else 0.0, close, number, frame)

        def handle(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(begin, number, frame)

        installed = [number for number, before in handlers.items() if callable(before)]
        for number in installed:
            signal.signal(number, handle)
        try:
            yield self.closing
        finally:
            for number in installed:
                signal.signal(number, handlers[number])

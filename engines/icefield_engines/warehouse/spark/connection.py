"""The connection to the Spark Connect server: whether it is reachable, and its warm sessions."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Seconds between attempts to reach a server that is not reachable."""
PING_INTERVAL = 5.0
PING_TIMEOUT = 60.0
"""Seconds: a server in a garbage collection is not lost."""
WARM_SESSIONS = 2


class SparkConnection:
    """Sessions on one server, which may restart; methods without `async` are for the threads of statements."""

    def __init__(self, remote: str, max_sessions: int) -> None:
        """Take the server's address, such as `sc://127.0.0.1:15002`; `keep` connects to it."""
        self._remote = remote
        self._max_sessions = max_sessions
        self._ready = asyncio.Event()
        self._is_connected = False
        """Copy of `_ready` for threads."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._idle: deque[Session] = deque()
        self._generation = 0
        """Counts starts of the server: sessions of an earlier start are unusable."""
        self._generations: dict[Session, int] = {}

    @property
    def is_ready(self) -> bool:
        """Whether the server accepts statements."""
        return self._ready.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the server; return whether it is ready."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    async def keep(self) -> None:
        """Connect to the server, and reconnect when it is lost, until cancelled."""
        self._loop = asyncio.get_running_loop()
        host, port = self._remote.removeprefix("sc://").rsplit(":", 1)
        while True:
            if not self._ready.is_set():
                # The import of pyspark and its long timeouts only when something listens.
                if await _is_listening(host, int(port)):
                    await self._connect()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(PING_INTERVAL)
                await self._ping()

    def wait_in_thread(self, seconds: float, stopped: threading.Event) -> bool:
        """Wait up to `seconds` for the server, or until stopped; return whether it is ready."""
        deadline = time.monotonic() + seconds
        while not self._is_connected and time.monotonic() < deadline:
            if stopped.wait(RETRY_SECONDS):
                return False
        return self._is_connected

    def borrow(self) -> Session:
        """Return a session for one statement: a warm one, or a new one.

        Raises:
            Exception: what pyspark raises when the server is unreachable.
        """
        with self._lock:
            generation = self._generation
            while self._idle:
                session = self._idle.popleft()
                if self._generations.get(session) == generation:
                    return session
        return self._open(generation)

    def give_back(self, session: Session) -> None:
        """Keep a session for the next statement, unless its server is lost."""
        with self._lock:
            is_kept = self._generations.get(session) == self._generation and len(self._idle) < self._max_sessions
            if is_kept:
                self._idle.append(session)
            else:
                self._generations.pop(session, None)
        if not is_kept:
            session.close()

    def lose(self, session: Session | None = None) -> None:
        """Note that the server of a session, or the current one, is lost; statements wait for the next one."""
        with self._lock:
            if session is not None and self._generations.pop(session, None) != self._generation:
                return
            self._generation += 1
            unusable, self._idle = {*self._idle, *([session] if session else [])}, deque()
            for closed in unusable:
                self._generations.pop(closed, None)
        log.warning("Spark is lost")
        self._is_connected = False
        if self._loop:
            self._loop.call_soon_threadsafe(self._forget, unusable)

    def _forget(self, sessions: set[Session]) -> None:
        self._ready.clear()
        for session in sessions:
            asyncio.get_running_loop().run_in_executor(None, partial(session.close, is_lost=True))

    def _open(self, generation: int) -> Session:
        from .session import Session

        session = Session(self._remote)
        with self._lock:
            self._generations[session] = generation
        return session

    async def _connect(self) -> None:
        try:
            await asyncio.to_thread(self._open_warm_sessions)
        except Exception as error:
            log.info("Spark listens, but does not answer yet: %s", type(error).__name__)
            self.lose()
            return
        log.info("Spark is ready")
        self._is_connected = True
        self._ready.set()

    def _open_warm_sessions(self) -> None:
        """Open warm sessions on a server that has just started."""
        with self._lock:
            self._generation += 1
            generation = self._generation
        for _ in range(WARM_SESSIONS):
            session = self._open(generation)
            session.warm_up()
            self.give_back(session)

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await asyncio.to_thread(self._ping_one)
        except Exception:
            self.lose()

    def _ping_one(self) -> None:
        session = self.borrow()
        session.ping()
        self.give_back(session)


async def _is_listening(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

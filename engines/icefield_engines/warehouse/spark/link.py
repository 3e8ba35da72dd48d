"""The way to the Spark Connect server: whether it is there, and its warm sessions."""

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

ASK_AGAIN = 0.5
"""Seconds between attempts to reach a server that is not there."""
PING_EVERY = 5.0
PING_TIMEOUT = 60.0
"""Seconds: a server that collects garbage is not yet lost."""
WARM_SESSIONS = 2


class SparkLink:
    """Sessions on one server, which may come and go; methods without `async` are for the threads of statements."""

    def __init__(self, remote: str, most_sessions: int) -> None:
        """Know a server's address, such as `sc://127.0.0.1:15002`; `keep` begins to look for it."""
        self._remote = remote
        self._most_sessions = most_sessions
        self._ready = asyncio.Event()
        self._is_found = False
        """The same for threads, which see it at once."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._idle: deque[Session] = deque()
        self._life = 0
        """Counts servers: a session of an earlier one is of no use."""
        self._lives: dict[Session, int] = {}

    @property
    def is_ready(self) -> bool:
        """Whether the server takes statements."""
        return self._ready.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait for the server so long; return whether it is there."""
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def keep(self) -> None:
        """Find the server, notice when it goes, find it again, until cancelled."""
        self._loop = asyncio.get_running_loop()
        host, port = self._remote.removeprefix("sc://").rsplit(":", 1)
        while True:
            if not self._ready.is_set():
                # The import of pyspark and its long timeouts only when something listens.
                if await _listens(host, int(port)):
                    await self._meet()
                await asyncio.sleep(ASK_AGAIN)
            else:
                await asyncio.sleep(PING_EVERY)
                await self._ping()

    def wait_in_thread(self, seconds: float, stopped: threading.Event) -> bool:
        """Wait for the server so long, or until stopped; return whether it is there."""
        give_up = time.monotonic() + seconds
        while not self._is_found and time.monotonic() < give_up:
            if stopped.wait(ASK_AGAIN):
                return False
        return self._is_found

    def borrow(self) -> Session:
        """Return a session for one statement: a warm one, or a new one.

        Raises:
            Exception: what pyspark raises when the server is not there.
        """
        with self._lock:
            life = self._life
            while self._idle:
                session = self._idle.popleft()
                if self._lives.get(session) == life:
                    return session
        return self._open(life)

    def give_back(self, session: Session) -> None:
        """Keep a session for the next statement, unless its server is gone."""
        with self._lock:
            is_wanted = self._lives.get(session) == self._life and len(self._idle) < self._most_sessions
            if is_wanted:
                self._idle.append(session)
            else:
                self._lives.pop(session, None)
        if not is_wanted:
            session.close()

    def lose(self, session: Session | None = None) -> None:
        """Take note that the server of a session (or that of now) is gone; statements wait for the next one."""
        with self._lock:
            if session is not None and self._lives.pop(session, None) != self._life:
                return
            self._life += 1
            useless, self._idle = {*self._idle, *([session] if session else [])}, deque()
            for one in useless:
                self._lives.pop(one, None)
        log.warning("Spark is gone")
        self._is_found = False
        if self._loop:
            self._loop.call_soon_threadsafe(self._forget, useless)

    def _forget(self, sessions: set[Session]) -> None:
        self._ready.clear()
        for session in sessions:
            asyncio.get_running_loop().run_in_executor(None, partial(session.close, is_lost=True))

    def _open(self, life: int) -> Session:
        from .session import Session

        session = Session(self._remote)
        with self._lock:
            self._lives[session] = life
        return session

    async def _meet(self) -> None:
        try:
            await asyncio.to_thread(self._greet)
        except Exception as error:
            log.info("Spark listens, but does not answer yet: %s", type(error).__name__)
            self.lose()
            return
        log.info("Spark is ready")
        self._is_found = True
        self._ready.set()

    def _greet(self) -> None:
        """Open warm sessions on a server that has just been found."""
        with self._lock:
            self._life += 1
            life = self._life
        for _ in range(WARM_SESSIONS):
            session = self._open(life)
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


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
